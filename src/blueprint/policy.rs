//! What has to be allowed, in IAM's language: to whoever installs, and to the balancer.
//!
//! What exists may be looked at; whatever changes something is bound to the fleet's tag, which has
//! to be in the call that makes a thing, or on the thing. Where IAM knows no tags, names bind.

use serde_json::{Value, json};

use super::name::FleetName;

/// The version of IAM's language, not of this policy.
const LANGUAGE: &str = "2012-10-17";

/// What has to be on everything.
const REQUESTED: &str = "aws:RequestTag/cloudaps:fleet";
const CARRIED: &str = "aws:ResourceTag/cloudaps:fleet";

/// What a machine is launched with: it is there before, and only used, or made with the machine.
const INGREDIENTS: [&str; 7] = [
    "arn:aws:ec2:*::image/*",
    "arn:aws:ec2:*::snapshot/*",
    "arn:aws:ec2:*:*:subnet/*",
    "arn:aws:ec2:*:*:security-group/*",
    "arn:aws:ec2:*:*:key-pair/*",
    "arn:aws:ec2:*:*:network-interface/*",
    "arn:aws:ec2:*:*:volume/*",
];

/// What the balancer has to be allowed: to look, and to make and end this fleet's machines.
#[must_use]
pub fn balancer_policy(fleet: &FleetName) -> Value {
    let bucket = format!("arn:aws:s3:::cloudaps-{fleet}-*/*");
    policy(&[
        look(&[
            "ec2:DescribeImages",
            "ec2:DescribeInstances",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVolumes",
        ]),
        launch(),
        make(fleet, &["ec2:CreateVolume", "ec2:RunInstances"], &["instance", "volume"]),
        tag(fleet, &["CreateVolume", "RunInstances"]),
        change(fleet, &["ec2:AttachVolume", "ec2:DetachVolume", "ec2:TerminateInstances"]),
        json!({
            "Sid": "Program",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": bucket,
        }),
    ])
}

/// What `plan`, `install` and `destroy` have to be allowed.
#[must_use]
pub fn installer_policy(fleet: &FleetName) -> Value {
    let made =
        ["AllocateAddress", "CreateSecurityGroup", "CreateVolume", "ImportKeyPair", "RunInstances"];
    let kinds = ["elastic-ip", "instance", "key-pair", "security-group", "volume"];
    policy(&[
        look(&[
            "ec2:DescribeAddresses",
            "ec2:DescribeImages",
            "ec2:DescribeInstances",
            "ec2:DescribeKeyPairs",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVolumes",
            "ec2:DescribeVpcs",
        ]),
        launch(),
        json!({
            "Sid": "Network",
            "Effect": "Allow",
            "Action": "ec2:CreateSecurityGroup",
            "Resource": "arn:aws:ec2:*:*:vpc/*",
        }),
        make(fleet, &made.map(|action| format!("ec2:{action}")), &kinds),
        tag(fleet, &made),
        change(
            fleet,
            &[
                "ec2:AssociateAddress",
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:DeleteKeyPair",
                "ec2:DeleteSecurityGroup",
                "ec2:DeleteVolume",
                "ec2:ReleaseAddress",
                "ec2:RevokeSecurityGroupIngress",
                "ec2:TerminateInstances",
            ],
        ),
        role(fleet),
        pass_role(fleet),
        bucket(fleet),
    ])
}

fn policy(statements: &[Value]) -> Value {
    json!({ "Version": LANGUAGE, "Statement": statements })
}

fn look(actions: &[&str]) -> Value {
    json!({ "Sid": "Look", "Effect": "Allow", "Action": actions, "Resource": "*" })
}

fn launch() -> Value {
    json!({
        "Sid": "Launch",
        "Effect": "Allow",
        "Action": "ec2:RunInstances",
        "Resource": INGREDIENTS,
    })
}

fn make(fleet: &FleetName, actions: &[impl AsRef<str>], kinds: &[&str]) -> Value {
    let actions: Vec<&str> = actions.iter().map(AsRef::as_ref).collect();
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("arn:aws:ec2:*:*:{kind}/*")).collect();
    json!({
        "Sid": "Make",
        "Effect": "Allow",
        "Action": actions,
        "Resource": kinds,
        "Condition": { "StringEquals": { REQUESTED: fleet.as_str() } },
    })
}

/// Tags are written only while something is made: nobody can make a foreign thing the fleet's.
fn tag(fleet: &FleetName, calls: &[&str]) -> Value {
    json!({
        "Sid": "Tag",
        "Effect": "Allow",
        "Action": "ec2:CreateTags",
        "Resource": "arn:aws:ec2:*:*:*/*",
        "Condition": {
            "StringEquals": { "ec2:CreateAction": calls, REQUESTED: fleet.as_str() },
        },
    })
}

fn change(fleet: &FleetName, actions: &[&str]) -> Value {
    json!({
        "Sid": "Change",
        "Effect": "Allow",
        "Action": actions,
        "Resource": "*",
        "Condition": { "StringEquals": { CARRIED: fleet.as_str() } },
    })
}

fn role(fleet: &FleetName) -> Value {
    json!({
        "Sid": "Role",
        "Effect": "Allow",
        "Action": [
            "iam:AddRoleToInstanceProfile",
            "iam:CreateInstanceProfile",
            "iam:CreateRole",
            "iam:DeleteInstanceProfile",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:GetInstanceProfile",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:PutRolePolicy",
            "iam:RemoveRoleFromInstanceProfile",
            "iam:TagInstanceProfile",
            "iam:TagRole",
        ],
        "Resource": [
            format!("arn:aws:iam::*:instance-profile/cloudaps-{fleet}-*"),
            format!("arn:aws:iam::*:role/cloudaps-{fleet}-*"),
        ],
    })
}

fn pass_role(fleet: &FleetName) -> Value {
    json!({
        "Sid": "PassRole",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": format!("arn:aws:iam::*:role/cloudaps-{fleet}-*"),
        "Condition": { "StringEquals": { "iam:PassedToService": "ec2.amazonaws.com" } },
    })
}

fn bucket(fleet: &FleetName) -> Value {
    json!({
        "Sid": "Bucket",
        "Effect": "Allow",
        "Action": [
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:DeleteObject",
            "s3:GetBucketTagging",
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutBucketTagging",
            "s3:PutObject",
        ],
        "Resource": [
            format!("arn:aws:s3:::cloudaps-{fleet}-*"),
            format!("arn:aws:s3:::cloudaps-{fleet}-*/*"),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the fleet's tag cannot bind: it is looked at, used, or bound by name.
    const UNBOUND: [&str; 7] =
        ["Look", "Launch", "Network", "Program", "Role", "PassRole", "Bucket"];

    fn statements(policy: &Value) -> Vec<Value> {
        policy["Statement"].as_array().unwrap().clone()
    }

    #[test]
    fn whatever_is_not_bound_by_the_tag_is_bound_by_name_or_changes_nothing() {
        let fleet: FleetName = "shop".parse().unwrap();
        for statement in
            [balancer_policy(&fleet), installer_policy(&fleet)].iter().flat_map(statements)
        {
            let condition = statement["Condition"]["StringEquals"].to_string();
            let is_bound = condition.contains("cloudaps:fleet\":\"shop\"");
            let sid = statement["Sid"].as_str().unwrap();
            assert_eq!(is_bound, !UNBOUND.contains(&sid), "{statement}");
        }
    }

    #[test]
    fn no_statement_allows_everything() {
        let fleet: FleetName = "shop".parse().unwrap();
        for statement in
            [balancer_policy(&fleet), installer_policy(&fleet)].iter().flat_map(statements)
        {
            assert!(!statement["Action"].to_string().contains('*'), "{statement}");
        }
    }

    #[test]
    fn a_policy_fits_into_a_role() {
        // All inline policies of a role have 10,240 characters, without blanks.
        let fleet: FleetName = "a".repeat(32).parse().unwrap();
        assert!(balancer_policy(&fleet).to_string().len() < 10_240);
        // A policy that stands by itself has 6,144.
        assert!(installer_policy(&fleet).to_string().len() < 6_144);
    }
}
