//! One bucket of S3: made, tagged, filled, emptied and removed.
//!
//! Requests are signed into their address, as for a link that is given away, so that one way of
//! signing serves both. Each says whose bucket it is to be: a bucket's name is unique in the whole
//! world, and somebody else could have taken ours to read what we put into it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action};
use sha2::{Digest, Sha256};
use ureq::http::{Request, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{Access, Error, tags};

/// For how long a request that we send ourselves is good: clocks may differ by that much.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// How long a connection may take. S3 is one hop from everywhere.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long S3 may think about a request that it has read.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The longest answer: a listing of the thousand objects that come in one.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Whose bucket the request is meant for.
const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";
/// What the body has to be, which S3 insists on for tags.
const CHECKSUM: &str = "x-amz-checksum-sha256";

/// A bucket of one account.
#[derive(Clone, Debug)]
pub struct Store {
    access: Access,
    bucket: Bucket,
    account: String,
    agent: ureq::Agent,
}

/// What is known about a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It does not exist.
    Nothing,
    /// It has these tags.
    Tagged(BTreeMap<String, String>),
}

/// A request that is ready to be sent.
struct Ready {
    operation: &'static str,
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

struct Answer {
    status: StatusCode,
    text: String,
}

impl Store {
    /// The bucket of that name, which is to be this account's.
    ///
    /// # Errors
    /// No bucket can have that name.
    pub fn new(access: &Access, name: &str, account: &str) -> Result<Self, Error> {
        let (access, bucket) = (access.clone(), access.bucket(name)?);
        Ok(Self { access, bucket, account: account.to_owned(), agent: agent() })
    }

    /// Makes the bucket. One that is there and ours is a success.
    ///
    /// # Errors
    /// The call failed.
    pub async fn create(&self) -> Result<(), Error> {
        let credentials = self.credentials().await?;
        // Nobody is known to own what does not exist yet.
        let action = self.bucket.create_bucket(&credentials);
        let body = action.body().into_bytes();
        let url = action.sign(SIGNED_FOR).into();
        let (operation, method) = ("CreateBucket", "PUT");
        let ready = Ready { operation, method, url, headers: Vec::new(), body };
        let made = succeeded(operation, self.send(ready).await?);
        match made {
            Err(error) if error.kind == super::Kind::Exists => Ok(()),
            other => other.map(drop),
        }
    }

    /// Replaces the bucket's tags.
    ///
    /// # Errors
    /// The call failed.
    pub async fn tag(&self, all: &[(&str, &str)]) -> Result<(), Error> {
        let credentials = self.credentials().await?;
        let mut action = self.bucket.create_bucket(&credentials);
        action.query_mut().insert("tagging", "");
        let pairs = all.iter().map(|(key, value)| {
            format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", escape(key), escape(value))
        });
        let set: String = pairs.collect();
        let body = format!("<Tagging><TagSet>{set}</TagSet></Tagging>").into_bytes();
        self.ask("PutBucketTagging", action, body).await.map(drop)
    }

    /// Looks whether the bucket is there, and at its tags.
    ///
    /// # Errors
    /// The call failed; also if the bucket is somebody else's.
    pub async fn find(&self) -> Result<Found, Error> {
        let credentials = self.credentials().await?;
        let mut action = self.bucket.get_object(Some(&credentials), "");
        action.query_mut().insert("tagging", "");
        match self.ask("GetBucketTagging", action, Vec::new()).await {
            Ok(text) => Ok(Found::Tagged(tags_in(&text))),
            Err(error) => match error.code.as_deref() {
                Some("NoSuchBucket") => Ok(Found::Nothing),
                Some("NoSuchTagSet") => Ok(Found::Tagged(BTreeMap::new())),
                _ => Err(error),
            },
        }
    }

    /// The first thousand objects with their sizes: more than we ever put there.
    ///
    /// # Errors
    /// The call failed.
    pub async fn objects(&self) -> Result<BTreeMap<String, u64>, Error> {
        let credentials = self.credentials().await?;
        let action = self.bucket.list_objects_v2(Some(&credentials));
        let operation = "ListObjectsV2";
        let text = self.ask(operation, action, Vec::new()).await?;
        let listed = ListObjectsV2::parse_response(&text)
            .map_err(|error| Error::unanswered(operation, error))?;
        let sizes =
            listed.contents.into_iter().map(|object| (object.key, object.size.unwrap_or(0)));
        Ok(sizes.collect())
    }

    /// Reads an object that is a text.
    ///
    /// # Errors
    /// The call failed.
    pub async fn get(&self, key: &str) -> Result<String, Error> {
        let credentials = self.credentials().await?;
        let action = self.bucket.get_object(Some(&credentials), key);
        self.ask("GetObject", action, Vec::new()).await
    }

    /// Writes an object.
    ///
    /// # Errors
    /// The call failed; then the object is as it was.
    pub async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), Error> {
        let credentials = self.credentials().await?;
        let action = self.bucket.put_object(Some(&credentials), key);
        self.ask("PutObject", action, body).await.map(drop)
    }

    /// Removes an object. One that is not there is a success.
    ///
    /// # Errors
    /// The call failed.
    pub async fn remove(&self, key: &str) -> Result<(), Error> {
        let credentials = self.credentials().await?;
        let action = self.bucket.delete_object(Some(&credentials), key);
        self.ask("DeleteObject", action, Vec::new()).await.map(drop)
    }

    /// Removes the bucket, which has to be empty.
    ///
    /// # Errors
    /// The call failed.
    pub async fn delete(&self) -> Result<(), Error> {
        let credentials = self.credentials().await?;
        self.ask("DeleteBucket", self.bucket.delete_bucket(&credentials), Vec::new())
            .await
            .map(drop)
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        self.access.signing_credentials().await
    }

    /// Signs a request with the headers that each has, sends it, and insists on success.
    async fn ask<'a, A: S3Action<'a>>(
        &self,
        operation: &'static str,
        mut action: A,
        body: Vec<u8>,
    ) -> Result<String, Error> {
        let mut headers = vec![(EXPECTED_OWNER.to_owned(), self.account.clone())];
        if !body.is_empty() {
            headers.push((CHECKSUM.to_owned(), BASE64_STANDARD.encode(Sha256::digest(&body))));
        }
        for (name, value) in &headers {
            action.headers_mut().insert(name.clone(), value.clone());
        }
        let (method, url) = (A::METHOD.to_str(), action.sign(SIGNED_FOR).into());
        let answer = self.send(Ready { operation, method, url, headers, body }).await?;
        succeeded(operation, answer)
    }

    /// The client blocks, and other calls go on meanwhile.
    async fn send(&self, ready: Ready) -> Result<Answer, Error> {
        let (agent, operation) = (self.agent.clone(), ready.operation);
        let sent = tokio::task::spawn_blocking(move || run(&agent, ready)).await;
        let unanswered = |why: String| Error::unanswered(operation, why);
        let sent = sent.map_err(|panic| unanswered(panic.to_string()))?;
        sent.map_err(|error| unanswered(error.to_string()))
    }
}

fn run(agent: &ureq::Agent, ready: Ready) -> Result<Answer, ureq::Error> {
    let Ready { method, url, headers, body, .. } = ready;
    let request = Request::builder().method(method).uri(url);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let mut answer = match body.is_empty() && method != "PUT" {
        true => agent.run(request.body(())?)?,
        false => agent.run(request.body(body)?)?,
    };
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true);
    Ok(Answer { text: text.read_to_string()?, status: answer.status() })
}

fn succeeded(operation: &'static str, answer: Answer) -> Result<String, Error> {
    if answer.status.is_success() {
        return Ok(answer.text);
    }
    let code = between(&answer.text, "<Code>", "</Code>").unwrap_or("NoCode");
    let message = between(&answer.text, "<Message>", "</Message>");
    let message = message.unwrap_or_else(|| answer.status.canonical_reason().unwrap_or_default());
    Err(Error::answered(operation, code, message, answer.status.as_u16()))
}

/// The client trusts whom this machine trusts, as the SDK's does.
fn agent() -> ureq::Agent {
    let native = rustls_native_certs::load_native_certs().certs;
    let certificates = native.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT_MAX))
        .timeout_recv_response(Some(ANSWER_MAX))
        .build()
        .into()
}

fn tags_in(text: &str) -> BTreeMap<String, String> {
    let each = text.split("<Tag>").skip(1).filter_map(|tag| {
        let key = between(tag, "<Key>", "</Key>")?;
        Some((key.to_owned(), between(tag, "<Value>", "</Value>")?.to_owned()))
    });
    each.collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Found {
    /// Whether it carries the tag of this fleet.
    #[must_use]
    pub fn belongs_to(&self, fleet: &str) -> bool {
        let Self::Tagged(all) = self else { return false };
        all.get(tags::FLEET).is_some_and(|owner| owner == fleet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_however_they_are_laid_out() {
        let text = "<Tagging>\n <TagSet>\n<Tag><Key>a</Key><Value>1</Value></Tag>\n <Tag>\n\
                    <Key>cloudaps:fleet</Key>\n <Value>shop</Value></Tag></TagSet></Tagging>";
        let found = Found::Tagged(tags_in(text));
        assert!(found.belongs_to("shop") && !found.belongs_to("sho"));
        assert!(!Found::Nothing.belongs_to("shop"));
        assert_eq!(tags_in("<Tagging><TagSet/></Tagging>").len(), 0);
    }

    #[test]
    fn a_refusal_is_told_in_aws_own_words() {
        let text = "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>".to_owned();
        let answer = Answer { status: StatusCode::FORBIDDEN, text };
        let error = succeeded("PutObject", answer).unwrap_err();
        assert_eq!(error.kind, crate::aws::Kind::Denied);
        assert!(error.to_string().starts_with("PutObject: AccessDenied: No ("), "{error}");
        let answer = Answer { status: StatusCode::BAD_GATEWAY, text: "<html>".to_owned() };
        let error = succeeded("PutObject", answer).unwrap_err();
        assert_eq!(error.kind, crate::aws::Kind::Unavailable);
    }
}
