//! Traces of the real program: through balancer and forwarder, as flags and variables have it.

use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::certificates;
use super::collector::{Collector, Told};
use super::system::{Forwarder, Place, System, cloudaps};
use super::traffic::Client;

fn config(place: &Place, text: &str) -> String {
    place.write("cloudaps.toml", text).to_str().unwrap().to_owned()
}

fn of_role<'a>(spans: &'a [Told], role: &str) -> (&'a Told, &'a Told) {
    let find = |is_server| {
        let is_meant = |told: &&Told| {
            told.is_server() == is_server && told.teller("cloudaps.role").as_deref() == Some(role)
        };
        spans.iter().find(is_meant).unwrap_or_else(|| panic!("{role}: {spans:#?}"))
    };
    (find(true), find(false))
}

#[test]
fn a_request_is_one_trace_through_balancer_and_forwarder() {
    let (collector, place) = (Collector::start(), Place::new());
    let text = format!("[traces]\nendpoint = \"{}\"\nservice = \"shop\"\n", collector.url());
    let system = System::up_with(&place, &["-c", &config(&place, &text)]);
    assert_eq!(Client::new(system.balancer).send("GET", "/", "").unwrap().status, 200);
    // They are told at the end at the latest.
    assert!(system.stop().success());
    let spans = collector.spans(4);
    let (request, attempt) = of_role(&spans, "balancer");
    let (relayed, inner) = of_role(&spans, "forwarder");
    assert_eq!(request.parent(), "");
    assert_eq!(attempt.parent(), request.ids().1);
    assert_eq!(relayed.parent(), attempt.ids().1);
    assert_eq!(inner.parent(), relayed.ids().1);
    for told in &spans {
        assert_eq!(told.ids().0, request.ids().0, "it is one trace");
        assert_eq!(told.teller("service.name").as_deref(), Some("shop"));
        assert_eq!(told.says("http.response.status_code").as_deref(), Some("200"));
    }
    let slot = attempt.says("cloudaps.slot").unwrap();
    assert!(slot.starts_with("instance-"), "{slot}");
    assert!(relayed.teller("service.instance.id").is_some(), "{relayed:?}");
    assert_eq!(inner.says("cloudaps.slot"), None);
}

#[test]
fn a_flag_reaches_the_forwarders_and_the_metrics_count_what_was_told() {
    let (collector, place) = (Collector::start(), Place::new());
    let system = System::up_with(&place, &["--traces-endpoint", &collector.url()]);
    assert_eq!(Client::new(system.balancer).send("GET", "/", "").unwrap().status, 200);
    assert_eq!(collector.spans(4).len(), 4);
    let told = "cloudaps_trace_spans_total{role=\"balancer\",outcome=\"exported\"} 2\n";
    system.await_metrics(|text| text.contains(told));
    assert!(system.stop().success());
}

#[test]
fn the_variable_of_opentelemetry_names_a_collector() {
    let (collector, place) = (Collector::start(), Place::new());
    let system = System::up(&place);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())];
    let forwarder = Forwarder::start_in(system.balancer, &[], &variables);
    assert_eq!(Client::new(forwarder.listen).send("GET", "/", "").unwrap().status, 200);
    assert!(forwarder.stop().success());
    let spans = collector.spans(2);
    let (request, attempt) = of_role(&spans, "forwarder");
    assert_eq!(attempt.parent(), request.ids().1);
    assert!(system.stop().success());
}

#[test]
fn a_collector_that_is_none_is_refused_before_any_port_is_bound() {
    let place = Place::new();
    let file = config(&place, "[traces]\nendpoint = \"127.0.0.1:4317\"\n");
    for flags in [["-c", &file], ["--traces-endpoint", "127.0.0.1:4317"]] {
        // A port that is not this machine's: whoever tries it says so.
        let mut up = cloudaps();
        up.arg("up").args(flags).args(["--listen", "192.0.2.1:1", "--state-dir"]);
        let output = up.arg(place.state()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        for word in ["127.0.0.1:4317", "http://HOST:PORT"] {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
    }
}

/// Makes the collector's end of an encrypted connection.
fn tls(
    config: Arc<ServerConfig>,
) -> impl Fn(TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        // Whoever does not trust us ends here.
        stream.flush()?;
        Ok(stream)
    }
}

#[test]
fn over_tls_only_a_collector_with_a_good_certificate_is_told_anything() {
    let (folder, place) = (tempfile::tempdir().unwrap(), Place::new());
    let Some(config) = certificates::server(folder.path()) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let collector = Collector::on(listener, &[], tls(config));
    let system = System::up(&place);
    let authority = folder.path().join("ca.pem").display().to_string();
    let port = collector.address.port();
    for (host, is_told) in [("127.0.0.1", false), ("localhost", true)] {
        let url = format!("https://{host}:{port}");
        let variables = [("SSL_CERT_FILE", authority.clone())];
        let flags = ["--traces-endpoint", &url];
        let forwarder = Forwarder::start_in(system.balancer, &flags, &variables);
        assert_eq!(Client::new(forwarder.listen).send("GET", "/", "").unwrap().status, 200);
        assert!(forwarder.stop().success());
        collector.spans(if is_told { 2 } else { 0 });
    }
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(system.stop().success());
}
