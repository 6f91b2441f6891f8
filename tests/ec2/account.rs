//! What the account sees: the contract of every provider, how often it is asked, and that nothing
//! of others is touched.

use std::time::Duration;

use aws_sdk_ec2::types::InstanceType;
use cloudaps::aws::Access;
use cloudaps::boot::Duty;
use cloudaps::provider::ec2::{Artifact, Config, Market, Member, Provider, Source};
use cloudaps::state_dir::{StateDir, TokenName};

use crate::cloud::{self, Setting};
use crate::contract::keeps_the_contract;
use crate::fleet::{Fleet, IMAGE, await_successor};

/// How long the calls of a steady fleet are counted.
const STEADY: Duration = Duration::from_secs(15);

#[test]
fn machines_keep_the_contract() {
    cloud::inside(|cloud| {
        cloud.set(Setting::Pending(Duration::from_millis(300)));
        cloud.set(Setting::ShuttingDown(Duration::from_millis(300)));
        // As AWS does: the next listings do not know yet what was just made.
        cloud.set(Setting::HiddenFor(Duration::from_secs(1)));
        block_on(async {
            let provider = open().await;
            keeps_the_contract(&provider).await;
            provider.close().await;
        });
    });
}

#[test]
fn what_is_not_of_the_fleet_is_never_touched() {
    cloud::inside(|cloud| {
        let stranger = block_on(run_foreign());
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        let victim = fleet.machine("instance-0").id;
        cloud.terminate(&victim);
        await_successor(&system, "instance-0", &victim);
        assert!(fleet.place.operate(&["down"]).status.success());
        assert!(system.wait().success());
        assert_eq!(cloud.machine(&stranger).state, "running");
    });
}

#[test]
fn a_steady_fleet_is_described_once_in_five_seconds_and_nothing_else_is_asked() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let _system = fleet.up();
        cloud.forget_calls();
        std::thread::sleep(STEADY);
        let calls = cloud.calls();
        let others: Vec<_> =
            calls.counts.keys().filter(|name| *name != "ec2:DescribeInstances").collect();
        assert_eq!(others, Vec::<&String>::new());
        let described = calls.count("ec2:DescribeInstances");
        assert!((2..=4).contains(&described), "{described} in {STEADY:?}");
    });
}

async fn open() -> Provider {
    let dir = tempfile::tempdir().unwrap();
    let control_token = StateDir::open(dir.path()).unwrap().token(TokenName::Control).unwrap();
    let config = Config {
        fleet: "contract".to_owned(),
        region: None,
        image: Some(IMAGE.to_owned()),
        instance_types: vec!["t3.micro".to_owned()],
        subnets: Vec::new(),
        key: None,
        profile: None,
        market: Market::OnDemand,
        artifact: Artifact {
            source: Source::Url("http://203.0.113.1/nothing".to_owned()),
            sha256: "0".repeat(64),
        },
        instances: Member {
            duty: Duty::Command(vec!["/bin/sleep".to_owned(), "{port}".to_owned()]),
            security_groups: Vec::new(),
        },
        backend: None,
        control_token,
        trace_headers: None,
    };
    Provider::open(config).await.unwrap()
}

/// Somebody else's machine in the same account.
async fn run_foreign() -> String {
    let ec2 = Access::open(None).await.unwrap().ec2();
    let call = ec2.run_instances().image_id(IMAGE).instance_type(InstanceType::T3Micro);
    let made = call.min_count(1).max_count(1).send().await.unwrap();
    made.instances()[0].instance_id().unwrap().to_owned()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
