//! Forwarders on machines of their own tell their part of a trace, with a key that is told to them
//! alone.

use std::collections::BTreeSet;
use std::net::TcpListener;

use crate::cloud;
use crate::collector::Collector;
use crate::fleet::Fleet;
use crate::traffic::Client;

#[test]
fn a_request_is_one_trace_through_the_balancer_and_a_machine() {
    cloud::inside(|cloud| {
        let listener = TcpListener::bind((cloud::BALANCER, 0)).unwrap();
        let collector = Collector::on(listener, &[], Ok);
        let settings = format!(
            "instances = 1\n[traces]\nendpoint = \"{}\"\nheaders = {{ x-key = \"s3cret\" }}\n",
            collector.url()
        );
        let fleet = Fleet::new(cloud, &settings);
        let system = fleet.up();
        assert_eq!(Client::new(system.balancer).send("GET", "/", "").unwrap().status, 200);
        let spans = collector.spans(4);
        let roles = |role: &str| {
            spans
                .iter()
                .filter(|told| told.teller("cloudaps.role").as_deref() == Some(role))
                .count()
        };
        assert_eq!((roles("balancer"), roles("forwarder")), (2, 2), "{spans:#?}");
        let traces = spans.iter().map(|told| told.ids().0);
        assert_eq!(traces.collect::<BTreeSet<_>>().len(), 1, "{spans:#?}");
        for head in collector.heads(2) {
            assert!(head.to_ascii_lowercase().contains("\r\nx-key: s3cret\r\n"), "{head}");
        }
        let id = fleet.machine("instance-0").id;
        let seen = cloud.run(&id, &["grep", "-r", "s3cret", "/etc"]);
        assert_eq!(seen.status, 1, "it is in nothing that the machine was made from: {seen:?}");
    });
}
