//! What a call to AWS that failed means: by what the caller does about it, with AWS's own code, and
//! with what a person could type.

use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

/// How EC2 names an instance profile that IAM has just made: with the code of any wrong parameter.
const NEW_PROFILE: &str = "Invalid IAM Instance Profile";

/// What the caller does about a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// AWS has no machine of this type here now: take another type or zone.
    Capacity,
    /// Asked too often: ask later.
    Throttled,
    /// The account may not have more of this: a person has to ask AWS.
    Quota,
    /// Who asks may not do this: a person has to allow it.
    Denied,
    /// Nobody knows who asks: credentials are missing, expired or wrong.
    Credentials,
    /// What was named does not exist, or not yet.
    NotFound,
    /// What was to be made exists.
    Exists,
    /// Something else needs it, or it is not in a state for this yet: ask later.
    Busy,
    /// The client token belongs to other parameters, or to what is gone: take another.
    TokenSpent,
    /// It was only asked whether it could be done, and it could.
    DryRun,
    /// AWS refuses what was asked: a person has to change it.
    Invalid,
    /// No answer, or none that says anything: it may have happened, and can be asked again.
    Unavailable,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What to do about it.
    pub kind: Kind,
    /// AWS's name of what was called.
    pub operation: &'static str,
    /// AWS's name of what went wrong, if AWS answered.
    pub code: Option<String>,
    message: String,
}

impl Error {
    /// Classifies what the SDK returned for `operation`.
    #[must_use]
    pub fn of<E>(operation: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if let Some(missing) = credentials_error(error) {
            return Self { operation, ..Self::credentials(missing) };
        }
        let answered = error.as_service_error().and_then(|answer| {
            let message = answer.message().unwrap_or("AWS says no more");
            Some((answer.code()?.to_owned(), message.to_owned()))
        });
        let Some((code, message)) = answered else {
            let message = chain(error);
            return Self { kind: Kind::Unavailable, operation, code: None, message };
        };
        let status = error.raw_response().map_or(0, |answer| answer.status().as_u16());
        let kind = match message.contains(NEW_PROFILE) {
            true => Kind::NotFound,
            false => kind_of(&code, status),
        };
        Self { kind, operation, code: Some(code), message }
    }

    /// AWS refused, in a protocol that the SDK does not speak for us.
    pub(super) fn answered(
        operation: &'static str,
        code: &str,
        message: &str,
        status: u16,
    ) -> Self {
        let (kind, code) = (kind_of(code, status), Some(code.to_owned()));
        Self { kind, operation, code, message: message.to_owned() }
    }

    /// There was no answer, or none that could be read.
    #[must_use]
    pub fn unanswered(operation: &'static str, why: impl fmt::Display) -> Self {
        Self { kind: Kind::Unavailable, operation, code: None, message: why.to_string() }
    }

    /// No region is named anywhere.
    pub(super) fn no_region() -> Self {
        Self {
            kind: Kind::Invalid,
            operation: "open",
            code: None,
            message:
                "no region is named: write `region = \"us-east-1\"` (or another) into `[ec2]`, \
                      set AWS_REGION, or type `aws configure`"
                    .to_owned(),
        }
    }

    /// What was asked cannot be done, and it is not AWS who says so.
    #[must_use]
    pub fn invalid(operation: &'static str, why: impl fmt::Display) -> Self {
        Self { kind: Kind::Invalid, operation, code: None, message: why.to_string() }
    }

    /// There is no network to launch anything in.
    #[must_use]
    pub fn no_network() -> Self {
        let code = Some("DefaultVpcDoesNotExist".to_owned());
        let message = "there is no subnet to launch machines in".to_owned();
        Self { kind: Kind::Invalid, operation: "DescribeSubnets", code, message }
    }

    /// There is nowhere to take credentials from.
    pub(super) fn no_credentials() -> Self {
        Self::credentials(&CredentialsError::not_loaded_no_source())
    }

    /// The chain of credentials ended without any.
    pub(super) fn credentials(error: &CredentialsError) -> Self {
        let message = match error {
            CredentialsError::CredentialsNotLoaded(_) => "no credentials were found".to_owned(),
            _ => format!("the credentials cannot be used: {}", chain(error)),
        };
        Self { kind: Kind::Credentials, operation: "credentials", code: None, message }
    }

    /// What a person could type, if it is they who have to do something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let by_code = self.code.as_deref().and_then(hint_of_code);
        by_code.or(match self.kind {
            Kind::Credentials => Some(
                "type `aws sts get-caller-identity` to see who AWS takes you for; sign in with \
                 `aws sso login` or `aws configure`, or set AWS_PROFILE, or \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
            Kind::Denied => Some(
                "attach the policy of docs/aws.md to the user or role that \
                 `aws sts get-caller-identity` names",
            ),
            Kind::Quota => Some(
                "end what is not needed, or ask for more with \
                 `aws service-quotas list-service-quotas --service-code ec2` and \
                 `aws service-quotas request-service-quota-increase`",
            ),
            Kind::Capacity => {
                Some("name more `instance_types` in `[ec2]`, or `subnets` in more zones, or wait")
            }
            Kind::Unavailable if self.code.is_none() => Some(
                "check the network and the region's name: \
                 `aws ec2 describe-regions --query 'Regions[].RegionName'`",
            ),
            Kind::Throttled
            | Kind::NotFound
            | Kind::Exists
            | Kind::Busy
            | Kind::TokenSpent
            | Kind::DryRun
            | Kind::Invalid
            | Kind::Unavailable => None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, code, message, .. } = self;
        let message = message.trim_end_matches('.');
        let code = code.as_deref().map(|code| format!(": {code}")).unwrap_or_default();
        write!(formatter, "{operation}{code}: {message}")?;
        match self.hint() {
            Some(hint) => write!(formatter, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// The codes of EC2, IAM and STS that ask for something else than their status does.
fn kind_of(code: &str, status: u16) -> Kind {
    match code {
        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "InsufficientCapacity"
        | "InsufficientFreeAddressesInSubnet"
        | "SpotMaxPriceTooLow"
        | "UnfulfillableCapacity"
        | "Unsupported" => Kind::Capacity,
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "EC2ThrottledException" => Kind::Throttled,
        "MaxSpotInstanceCountExceeded"
        | "InstanceLimitExceeded"
        | "VcpuLimitExceeded"
        | "AddressLimitExceeded"
        | "VolumeLimitExceeded"
        | "MaxIOPSLimitExceeded"
        | "SecurityGroupLimitExceeded"
        | "RulesPerSecurityGroupLimitExceeded"
        | "ResourceLimitExceeded"
        | "LimitExceeded"
        | "LimitExceededException" => Kind::Quota,
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "OperationNotPermitted"
        | "OptInRequired"
        | "PendingVerification"
        | "Blocked" => Kind::Denied,
        "AuthFailure"
        | "RequestExpired"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "IncompleteSignature"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken" => Kind::Credentials,
        "IdempotentParameterMismatch" | "IdempotentInstanceTerminated" => Kind::TokenSpent,
        "DryRunOperation" => Kind::DryRun,
        "NoSuchEntity" | "NoSuchBucket" | "NoSuchKey" => Kind::NotFound,
        "EntityAlreadyExists" | "BucketAlreadyOwnedByYou" => Kind::Exists,
        "DependencyViolation"
        | "DeleteConflict"
        | "VolumeInUse"
        | "IncorrectState"
        | "IncorrectInstanceState"
        | "ConcurrentTagAccess"
        | "ResourceInUse"
        | "InvalidIPAddress.InUse"
        | "ConcurrentModification"
        | "BucketNotEmpty"
        | "OperationAborted" => Kind::Busy,
        _ if is_not_found(code) => Kind::NotFound,
        _ if code.ends_with(".Duplicate") || code.ends_with(".DuplicateValue") => Kind::Exists,
        _ if (400..500).contains(&status) => Kind::Invalid,
        _ => Kind::Unavailable,
    }
}

/// `InvalidInstanceID.NotFound`, `InvalidVpcID.NotFound`, `InvalidAMIID.Unavailable`, …
fn is_not_found(code: &str) -> bool {
    let ends = [".NotFound", ".Malformed", ".Unavailable", "NotFound"];
    code.starts_with("Invalid") && ends.iter().any(|end| code.ends_with(end))
        || code == "NatGatewayNotFound"
}

fn hint_of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "the session has ended, or this machine's clock is wrong: type `aws sso login` (or get \
             a new session), and look at `date -u`"
        }
        "OptInRequired" => {
            "the account has not enabled this region, or not signed up: see `aws account \
             get-region-opt-status`, and check `region` in `[ec2]`"
        }
        "VPCIdNotSpecified" | "DefaultVpcDoesNotExist" | "MissingInput" => {
            "this region has no default network: type `aws ec2 create-default-vpc`, or name \
             `subnets` in `[ec2]`"
        }
        "InvalidAMIID.NotFound" | "InvalidAMIID.Malformed" | "InvalidAMIID.Unavailable" => {
            "an image belongs to one region: correct `image` in `[ec2]`, or leave it out"
        }
        "InvalidKeyPair.NotFound" => {
            "key pairs belong to one region: see `aws ec2 describe-key-pairs`, or leave out `key` \
             in `[ec2]`"
        }
        "InvalidSubnetID.NotFound" | "InvalidSubnet" => {
            "see `aws ec2 describe-subnets`, and correct `subnets` in `[ec2]`"
        }
        "InvalidGroup.NotFound"
        | "InvalidGroupId.Malformed"
        | "InvalidSecurityGroupID.NotFound" => {
            "see `aws ec2 describe-security-groups`, and correct `security_groups` in `[ec2]`"
        }
        "Unsupported" | "InvalidInstanceType" => {
            "this zone does not have the type: see `aws ec2 describe-instance-type-offerings`, and \
             name more of them in `instance_types` of `[ec2]`"
        }
        "PendingVerification" | "Blocked" => "the account is being examined: see AWS's e-mail",
        _ => return None,
    })
}

/// The credentials that were not found are reported deep inside of what the SDK returns.
fn credentials_error<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a CredentialsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What went wrong, and why: `dispatch failure: io error: connection refused`.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, status: u16) -> Error {
        let (code, kind) = (Some(code.to_owned()), kind_of(code, status));
        Error { kind, operation: "RunInstances", code, message: "Because.".to_owned() }
    }

    #[test]
    fn a_code_says_what_to_do() {
        for (code, status, kind) in [
            ("InsufficientInstanceCapacity", 500, Kind::Capacity),
            ("Unsupported", 400, Kind::Capacity),
            ("RequestLimitExceeded", 503, Kind::Throttled),
            ("VcpuLimitExceeded", 400, Kind::Quota),
            ("UnauthorizedOperation", 403, Kind::Denied),
            ("AuthFailure", 401, Kind::Credentials),
            ("ExpiredToken", 403, Kind::Credentials),
            ("InvalidInstanceID.NotFound", 400, Kind::NotFound),
            ("InvalidGroup.Duplicate", 400, Kind::Exists),
            ("IdempotentInstanceTerminated", 400, Kind::TokenSpent),
            ("InvalidParameterValue", 400, Kind::Invalid),
            ("DependencyViolation", 400, Kind::Busy),
            ("DryRunOperation", 412, Kind::DryRun),
            ("InternalError", 500, Kind::Unavailable),
            ("ServiceUnavailable", 503, Kind::Unavailable),
        ] {
            assert_eq!(error(code, status).kind, kind, "{code}");
        }
    }

    #[test]
    fn what_a_person_has_to_do_stands_behind_what_aws_says() {
        let text = error("UnauthorizedOperation", 403).to_string();
        assert!(text.starts_with("RunInstances: UnauthorizedOperation: Because ("), "{text}");
        assert!(text.contains("policy"), "{text}");
        let text = error("RequestLimitExceeded", 503).to_string();
        assert_eq!(text, "RunInstances: RequestLimitExceeded: Because");
    }

    #[test]
    fn credentials_that_are_missing_are_told_from_those_that_fail() {
        let text = Error::no_credentials().to_string();
        assert!(text.contains("no credentials were found") && text.contains("aws sso login"));
        let broken = CredentialsError::provider_error("the helper exited with 1");
        let text = Error::credentials(&broken).to_string();
        assert!(text.contains("cannot be used") && text.contains("exited with 1"), "{text}");
    }
}
