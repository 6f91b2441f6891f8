//! The security groups.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{IpPermission, ResourceType};

use super::super::observe::{answer, permission_of};
use super::super::site::Site;
use crate::aws::{Error, tags};
use crate::blueprint::{Account, Group, Part, Rule};

impl Site {
    pub(super) async fn create_group(&self, part: Part, vpc: &str) -> Result<(), Error> {
        let kind = ResourceType::SecurityGroup;
        let tags = self.tags(kind, part.as_str(), &[(tags::PART, part.as_str())]);
        let call = self
            .ec2
            .create_security_group()
            .group_name(part.group_name(&self.fleet))
            .description(format!("The {part} of the fleet {}", self.fleet))
            .vpc_id(vpc)
            .tag_specifications(tags)
            .set_dry_run(self.dry_run());
        answer("CreateSecurityGroup", call.send()).await.map(drop)
    }

    pub(super) async fn authorize(
        &self,
        group: &str,
        rules: &BTreeSet<Rule>,
        account: &Account,
    ) -> Result<(), Error> {
        let permissions = permissions(rules, &account.groups);
        let call = self.ec2.authorize_security_group_ingress().group_id(group);
        let call = call.set_ip_permissions(Some(permissions)).set_dry_run(self.dry_run());
        answer("AuthorizeSecurityGroupIngress", call.send()).await.map(drop)
    }

    pub(super) async fn revoke(&self, group: &str, rules: &BTreeSet<Rule>) -> Result<(), Error> {
        let permissions = permissions(rules, &self.groups().await?);
        let call = self.ec2.revoke_security_group_ingress().group_id(group);
        let call = call.set_ip_permissions(Some(permissions)).set_dry_run(self.dry_run());
        answer("RevokeSecurityGroupIngress", call.send()).await.map(drop)
    }
}

fn permissions(rules: &BTreeSet<Rule>, groups: &[Group]) -> Vec<IpPermission> {
    rules.iter().filter_map(|rule| permission_of(rule, groups)).collect()
}
