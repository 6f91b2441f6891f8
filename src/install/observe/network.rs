//! The security groups and what they let in.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{IpPermission, SecurityGroup};

use super::super::site::{Site, part_of};
use super::answer;
use crate::aws::Error;
use crate::blueprint::{Group, Part, Rule, Source};

impl Site {
    pub(in crate::install) async fn groups(&self) -> Result<Vec<Group>, Error> {
        let call = self.ec2.describe_security_groups().filters(self.ours());
        let found = answer("DescribeSecurityGroups", call.send()).await?;
        let all = found.security_groups();
        let parts: BTreeMap<&str, Part> = all
            .iter()
            .filter_map(|group| Some((group.group_id()?, part_of(group.tags())?)))
            .collect();
        Ok(all.iter().filter_map(|one| group(one, &parts)).collect())
    }
}

fn group(group: &SecurityGroup, parts: &BTreeMap<&str, Part>) -> Option<Group> {
    let id = group.group_id()?;
    let rules = group.ip_permissions().iter().flat_map(|permission| rules(permission, parts));
    Some(Group {
        id: id.to_owned(),
        part: parts.get(id).copied(),
        vpc: group.vpc_id().unwrap_or_default().to_owned(),
        rules: rules.collect(),
    })
}

/// AWS puts all sources of the same ports into one permission.
fn rules(permission: &IpPermission, parts: &BTreeMap<&str, Part>) -> BTreeSet<Rule> {
    let networks = permission.ip_ranges().iter().filter_map(|range| range.cidr_ip());
    let networks6 = permission.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6());
    let networks = networks.chain(networks6).map(|network| Source::Network(network.to_owned()));
    let groups = permission.user_id_group_pairs().iter().filter_map(|pair| pair.group_id());
    let groups = groups.map(|id| match parts.get(id) {
        Some(part) => Source::Part(*part),
        None => Source::Other(id.to_owned()),
    });
    let lists = permission.prefix_list_ids().iter().filter_map(|list| list.prefix_list_id());
    let lists = lists.map(|id| Source::Other(id.to_owned()));
    let protocol = permission.ip_protocol().unwrap_or("-1");
    let ports = (permission.from_port().unwrap_or(-1), permission.to_port().unwrap_or(-1));
    let rule = |source| Rule { protocol: protocol.to_owned(), ports, source };
    networks.chain(groups).chain(lists).map(rule).collect()
}

/// The permission that lets in what a rule says; none if it names a part that has no group.
pub(in crate::install) fn permission_of(rule: &Rule, groups: &[Group]) -> Option<IpPermission> {
    let (first, last) = rule.ports;
    let permission =
        IpPermission::builder().ip_protocol(&rule.protocol).from_port(first).to_port(last);
    let of_group = |id: &str| aws_sdk_ec2::types::UserIdGroupPair::builder().group_id(id).build();
    let permission = match &rule.source {
        Source::Network(network) if network.contains(':') => permission
            .ipv6_ranges(aws_sdk_ec2::types::Ipv6Range::builder().cidr_ipv6(network).build()),
        Source::Network(network) => {
            permission.ip_ranges(aws_sdk_ec2::types::IpRange::builder().cidr_ip(network).build())
        }
        Source::Part(part) => {
            let group = groups.iter().find(|group| group.part == Some(*part))?;
            permission.user_id_group_pairs(of_group(&group.id))
        }
        Source::Other(id) if id.starts_with("pl-") => permission.prefix_list_ids(
            aws_sdk_ec2::types::PrefixListId::builder().prefix_list_id(id).build(),
        ),
        Source::Other(id) => permission.user_id_group_pairs(of_group(id)),
    };
    Some(permission.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_comes_back_as_it_was_written() {
        let of_part = |part| Group {
            id: format!("sg-{part}"),
            part: Some(part),
            vpc: String::new(),
            rules: BTreeSet::new(),
        };
        let groups = Part::ALL.map(of_part);
        let parts = groups.iter().map(|group| (group.id.as_str(), group.part.unwrap())).collect();
        for source in [
            Source::Network("0.0.0.0/0".to_owned()),
            Source::Network("2001:db8::/32".to_owned()),
            Source::Part(Part::Backend),
            Source::Other("sg-other".to_owned()),
            Source::Other("pl-other".to_owned()),
        ] {
            let rule = Rule::tcp(5000, source);
            let written = permission_of(&rule, &groups).unwrap();
            assert_eq!(rules(&written, &parts), [rule].into());
        }
        assert_eq!(permission_of(&Rule::tcp(1, Source::Part(Part::Backend)), &[]), None);
    }
}
