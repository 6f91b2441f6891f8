//! One request for one machine.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, InstanceInterruptionBehavior,
    InstanceMarketOptionsRequest, InstanceMetadataOptionsRequest, InstanceType, MarketType,
    ResourceType, ShutdownBehavior, SpotInstanceType, SpotMarketOptions,
};
use sha2::{Digest, Sha256};

use super::offering::{Market, Offering};
use super::{Config, Member};
use crate::aws::tags;
use crate::fleet::Launch;
use crate::hexadecimal::hexadecimal;

/// From the machine itself and no further: nobody asks the metadata from inside a container.
const METADATA_HOPS: i32 = 1;

/// What a launch asks for, whatever the offering.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) config: &'a Config,
    pub(super) member: &'a Member,
    pub(super) launch: &'a Launch,
    pub(super) image: &'a str,
    /// The script, encoded.
    pub(super) user_data: String,
}

impl Request<'_> {
    /// The call. What makes the machine ours is in it: there is no moment at which it exists
    /// without its tags.
    pub(super) fn call(&self, ec2: &Client, offering: &Offering) -> RunInstancesFluentBuilder {
        let Self { config, member, launch, image, user_data } = self;
        let groups = Some(member.security_groups.clone()).filter(|groups| !groups.is_empty());
        let tags = vec![
            tags::tag(tags::FLEET, &config.fleet),
            tags::tag(tags::SLOT, &launch.slot.to_string()),
            tags::tag(tags::LAUNCH, launch.token.as_str()),
            tags::tag("Name", &format!("{} {}", config.fleet, launch.slot)),
        ];
        let metadata = InstanceMetadataOptionsRequest::builder()
            .http_tokens(HttpTokensState::Required)
            .http_put_response_hop_limit(METADATA_HOPS);
        let of_role = |name| IamInstanceProfileSpecification::builder().name(name).build();
        let profile = config.profile.as_ref().map(of_role);
        ec2.run_instances()
            .min_count(1)
            .max_count(1)
            .client_token(client_token(&config.fleet, launch, offering))
            .image_id(*image)
            .instance_type(InstanceType::from(offering.kind.as_str()))
            .subnet_id(&offering.subnet.id)
            .set_security_group_ids(groups)
            .set_key_name(config.key.clone())
            .set_iam_instance_profile(profile)
            .set_instance_market_options(market_options(offering.market))
            .metadata_options(metadata.build())
            // Whoever shuts the machine down from inside leaves nothing to pay for.
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
            .tag_specifications(tags::on(ResourceType::Instance, tags))
            .user_data(user_data)
    }
}

fn market_options(market: Market) -> Option<InstanceMarketOptionsRequest> {
    let spot = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate);
    match market {
        Market::OnDemand => None,
        Market::Spot => Some(
            InstanceMarketOptionsRequest::builder()
                .market_type(MarketType::Spot)
                .spot_options(spot.build())
                .build(),
        ),
    }
}

/// The same for every try of one launch at one offering, and for nothing else: with it EC2 makes
/// one machine, however often it is asked. Another offering is another request, and needs another.
pub(super) fn client_token(fleet: &str, launch: &Launch, offering: &Offering) -> String {
    let mut hash = Sha256::new();
    let text = offering.to_string();
    for part in [fleet, launch.token.as_str(), &text, &offering.subnet.id] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    // 64 characters: just what EC2 takes.
    hexadecimal(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::super::offering::Subnet;
    use super::*;
    use crate::fleet::{Group, LaunchToken, Slot};

    fn token(fleet: &str, serial: u32, zone: &str, market: Market) -> String {
        let slot = Slot { group: Group::Instances, index: 0 };
        let token = LaunchToken::new(slot, 7, serial);
        let launch = Launch { token, slot, backends: std::sync::Arc::default() };
        let subnet = Subnet { id: format!("subnet-{zone}"), zone: zone.to_owned() };
        client_token(fleet, &launch, &Offering { kind: "t3.micro".to_owned(), subnet, market })
    }

    #[test]
    fn a_client_token_belongs_to_one_launch_at_one_offering() {
        let one = token("a", 1, "1", Market::OnDemand);
        assert_eq!(one, token("a", 1, "1", Market::OnDemand));
        assert_eq!(one.len(), 64, "EC2 takes no more");
        for other in [
            token("b", 1, "1", Market::OnDemand),
            token("a", 2, "1", Market::OnDemand),
            token("a", 1, "2", Market::OnDemand),
            token("a", 1, "1", Market::Spot),
        ] {
            assert_ne!(one, other);
        }
    }
}
