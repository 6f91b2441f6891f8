//! The way to AWS: the SDK's clients from its normal chain of credentials, and what its errors
//! mean.

mod artifact;
mod error;
pub mod image;
mod store;
pub mod tags;
mod transport;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_ec2::config::retry::RetryConfig;

pub use artifact::Object;
pub use error::{Error, Kind};
pub use store::{Found, Store};

/// How long one try of a call may take. EC2 answers within two seconds as a rule; a connection
/// that was lost is noticed by this alone.
const TRY_MAX: Duration = Duration::from_secs(10);

/// How often the SDK tries a call that it may repeat: its own default.
const TRIES_MAX: u32 = 3;

/// An account in a region, and the right to use it.
///
/// Credentials, region and endpoint come from the environment, the profile, single sign-on or the
/// machine's role, as with any tool of AWS; `AWS_ENDPOINT_URL` leads to another server than AWS's.
#[derive(Clone, Debug)]
pub struct Access {
    config: SdkConfig,
    region: Region,
}

impl Access {
    /// Finds out which region is meant. Credentials are looked for when the first call needs them.
    ///
    /// # Errors
    /// No region is named anywhere.
    pub async fn open(region: Option<&str>) -> Result<Self, Error> {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(TRY_MAX).build();
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(transport::client())
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES_MAX))
            .timeout_config(timeouts);
        let loader = match region {
            Some(region) => loader.region(Region::new(region.to_owned())),
            None => loader,
        };
        let config = loader.load().await;
        let region = config.region().cloned().ok_or_else(Error::no_region)?;
        Ok(Self { config, region })
    }

    /// The region's name.
    #[must_use]
    pub fn region(&self) -> &str {
        self.region.as_ref()
    }

    /// Another server than AWS's, if all calls go to one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.config.endpoint_url()
    }

    /// EC2, with the SDK's retries.
    #[must_use]
    pub fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.config)
    }

    /// EC2, each call tried once: for who has a retry policy of their own.
    #[must_use]
    pub fn ec2_tried_once(&self) -> aws_sdk_ec2::Client {
        let config = aws_sdk_ec2::config::Builder::from(&self.config);
        aws_sdk_ec2::Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
    }

    /// IAM, with the SDK's retries.
    #[must_use]
    pub fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config)
    }

    /// The account whose credentials these are. Nobody has to be allowed to ask that.
    ///
    /// # Errors
    /// There are no credentials, or AWS does not take them.
    pub async fn account(&self) -> Result<String, Error> {
        let operation = "GetCallerIdentity";
        let call = aws_sdk_sts::Client::new(&self.config).get_caller_identity();
        let answer = call.send().await.map_err(|error| Error::of(operation, &error))?;
        let account = answer.account().map(str::to_owned);
        account.ok_or_else(|| Error::unanswered(operation, "the answer names no account"))
    }

    /// What requests are signed with, for who signs them without the SDK.
    ///
    /// # Errors
    /// There are none, or they cannot be had.
    pub async fn credentials(&self) -> Result<Credentials, Error> {
        let provider = self.config.credentials_provider().ok_or_else(Error::no_credentials)?;
        provider.provide_credentials().await.map_err(|error| Error::credentials(&error))
    }
}
