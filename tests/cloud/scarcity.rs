//! No room, and spot instances that have to go.

use std::time::Duration;

use aws_sdk_ec2::types::{InstanceLifecycleType, InstanceMarketOptionsRequest, MarketType};

use super::cloud::{Fault, Market};
use super::customer::{inside, is_in_state, launch, launched, refused, up};

const NOTHING: &str = "#!/bin/sh\n";

/// What a machine asks its metadata, with a token as version 2 wants it.
const NOTICE: &str = "endpoint=$AWS_EC2_METADATA_SERVICE_ENDPOINT; \
    token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
        $endpoint/latest/api/token); \
    curl -sf -H \"X-aws-ec2-metadata-token: $token\" \
        $endpoint/latest/meta-data/spot/instance-action";

#[test]
fn there_is_no_room_where_the_test_says_so() {
    inside(async |cloud, client| {
        let subnets = client.describe_subnets().send().await.unwrap();
        let subnet = |zone: &str| {
            let mut found = subnets.subnets().iter();
            let found = found.find(|subnet| subnet.availability_zone() == Some(zone));
            found.unwrap().subnet_id().unwrap().to_owned()
        };
        let (a, b) = (subnet("us-east-1a"), subnet("us-east-1b"));
        cloud.add(&Fault::no_capacity().of_type("t3.micro").in_zone("us-east-1a").times(1));
        let in_a = || launch(&client, NOTHING).subnet_id(&a);
        assert_eq!(refused(in_a().send().await), "InsufficientInstanceCapacity");
        launched(launch(&client, NOTHING).subnet_id(b)).await;
        launched(in_a()).await;

        cloud.add(&Fault::no_capacity().on_market(Market::Spot));
        let spot = InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build();
        let request = launch(&client, NOTHING).instance_market_options(spot);
        assert_eq!(refused(request.send().await), "InsufficientInstanceCapacity");
    });
}

#[test]
fn a_spot_instance_is_told_before_it_goes() {
    inside(async |cloud, client| {
        let spot = InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build();
        let request = launch(&client, NOTHING).instance_market_options(spot);
        let id = launched(request).await;
        up(cloud, &id);
        let describe = client.describe_instances().instance_ids(&id);
        let answer = describe.send().await.unwrap();
        let lifecycle = answer.reservations()[0].instances()[0].instance_lifecycle();
        assert_eq!(lifecycle, Some(&InstanceLifecycleType::Spot));

        let notice = || cloud.run(&id, &["sh", "-c", &format!("{ENVIRONMENT}{NOTICE}")]);
        assert_ne!(notice().status, 0);
        cloud.interrupt(&id, Duration::from_secs(2));
        let told = notice();
        assert!(told.stdout.starts_with(r#"{"action": "terminate", "time": "#), "{told:?}");
        is_in_state(cloud, &id, "terminated");
    });
}

/// What a service would have; a command that a test runs has it not.
const ENVIRONMENT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1338; ";
