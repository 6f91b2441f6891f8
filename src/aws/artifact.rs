//! Links that let a machine without credentials fetch one object of a bucket for a while.

use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use super::{Access, Error};

/// An object in a bucket of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The object's key in it.
    pub key: &'a str,
}

impl Access {
    /// A link to an object for whoever has it, for so long at the most: credentials of a role end
    /// earlier, and the link with them.
    ///
    /// # Errors
    /// There are no credentials, or the bucket has no valid name.
    pub async fn link(&self, object: Object<'_>, valid: Duration) -> Result<String, Error> {
        let credentials = self.signing_credentials().await?;
        let bucket = self.bucket(object.bucket)?;
        Ok(bucket.get_object(Some(&credentials), object.key).sign(valid).to_string())
    }

    /// The credentials, as requests to a bucket are signed with.
    ///
    /// # Errors
    /// There are none.
    pub async fn signing_credentials(&self) -> Result<Credentials, Error> {
        let held = self.credentials().await?;
        let (key, secret) = (held.access_key_id(), held.secret_access_key());
        Ok(match held.session_token() {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        })
    }

    /// A bucket in our region. Another server than AWS's has no names for its buckets.
    ///
    /// # Errors
    /// It cannot be a part of an address.
    pub fn bucket(&self, name: &str) -> Result<Bucket, Error> {
        let region = self.region();
        let (endpoint, style) = match self.endpoint() {
            Some(endpoint) => (endpoint.to_owned(), UrlStyle::Path),
            None => (format!("https://s3.{region}.amazonaws.com"), UrlStyle::VirtualHost),
        };
        let invalid =
            |why: String| Error::invalid("bucket", format_args!("`{name}` names no bucket: {why}"));
        let endpoint = endpoint.parse().map_err(|error| invalid(format!("{endpoint}: {error}")))?;
        let bucket = Bucket::new(endpoint, style, name.to_owned(), region.to_owned());
        bucket.map_err(|error| invalid(error.to_string()))
    }
}
