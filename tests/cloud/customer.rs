//! Who uses the cloud in these tests: the SDK, and user data with a small server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::InstanceType;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cloudaps::aws::Access;
use tokio::runtime::{Builder, Runtime};

use super::cloud::{self, Cloud, Machine, eventually};

/// Any image will do: a machine's root is this one's.
pub(crate) const IMAGE: &str = "ami-12c6146b";

/// How long a server may take to answer before it counts as silent.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// A server on port 8080 that says who runs it where, as a service of an unprivileged user.
pub(crate) const SERVER: &str = r#"#!/bin/sh
set -eu
echo "boots: $(id -un)" >>/var/lib/boots
cat >/etc/systemd/system/web.service <<'UNIT'
[Service]
User=nobody
Environment="GREETING=from %H"
ExecStart=/usr/bin/perl -MIO::Socket::INET -e '\
    $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1) or die; \
    while ($client = $server->accept) { \
        print $client "$ENV{GREETING} as ", scalar(getpwuid($>)), $/; close $client }'
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now web
"#;

/// Runs a test inside of a cloud, with a client of EC2 that tries each call once.
#[track_caller]
pub(crate) fn inside<F: AsyncFnOnce(&Cloud, Client)>(body: F) {
    cloud::inside_as(&cloud::test_name::<F>(), |cloud| {
        runtime().block_on(async {
            let access = Access::open(None).await.unwrap();
            body(cloud, access.ec2_tried_once()).await;
        });
    });
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A call that launches one instance.
pub(crate) fn launch(client: &Client, user_data: &str) -> RunInstancesFluentBuilder {
    let request = client.run_instances().image_id(IMAGE).instance_type(InstanceType::T3Micro);
    request.min_count(1).max_count(1).user_data(BASE64_STANDARD.encode(user_data))
}

/// Makes the call, and returns the instance's id.
pub(crate) async fn launched(request: RunInstancesFluentBuilder) -> String {
    let answer = request.send().await.unwrap();
    answer.instances()[0].instance_id().unwrap().to_owned()
}

/// An instance with [`SERVER`], once it serves.
pub(crate) async fn serving(cloud: &Cloud, client: &Client) -> Machine {
    let id = launched(launch(client, SERVER)).await;
    let machine = up(cloud, &id);
    eventually("the server answers", || ask(&machine.address));
    machine
}

/// The instance's machine, once it runs.
pub(crate) fn up(cloud: &Cloud, id: &str) -> Machine {
    eventually("the machine is up", || {
        cloud.machines().into_iter().find(|machine| machine.id == id && machine.is_up)
    })
}

/// Waits until the API says that an instance is in `state`.
pub(crate) fn is_in_state(cloud: &Cloud, id: &str, state: &str) {
    eventually(state, || (cloud.machine(id).state == state).then_some(()));
}

/// What the server at `address` says. `None`: it does not answer.
pub(crate) fn ask(address: &str) -> Option<String> {
    let address = SocketAddr::new(address.parse().unwrap(), 8080);
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX).ok()?;
    stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
    stream.write_all(b"?").ok()?;
    let mut said = String::new();
    // It may reset the connection for what it did not read; what it said came before.
    let _ = stream.read_to_string(&mut said);
    (!said.is_empty()).then(|| said.trim().to_owned())
}

/// The code that AWS refused a call with.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug, E, R>(
    result: Result<T, aws_sdk_ec2::error::SdkError<E, R>>,
) -> String
where
    E: ProvideErrorMetadata,
{
    let error = result.expect_err("it was not refused");
    error.as_service_error().and_then(|error| error.code()).unwrap_or("no answer").to_owned()
}
