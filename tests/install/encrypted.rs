//! AWS is spoken to over TLS, and only if its certificate is good.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::certificates;
use crate::laptop::{Laptop, Ran, settings};

/// Serves this certificate on a free port, which it returns, and passes on what clients say who
/// trust it. Ends with the test.
fn pass_on(config: Arc<ServerConfig>, to: SocketAddr) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(listener, TlsAcceptor::from(config), to));
    });
    port
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, to: SocketAddr) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut clients = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        clients.spawn(async move {
            let Ok(mut client) = acceptor.accept(stream).await else { return };
            let mut server = TcpStream::connect(to).await.unwrap();
            // Either side may end it as it likes.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// A plan by somebody who trusts this authority, and to whom AWS is at `endpoint`.
fn plan(laptop: &Laptop, endpoint: &str, authority: &Path) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudaps"));
    command.args(["plan", "-c"]).arg(laptop.path("cloudaps.toml"));
    command.envs(laptop.cloud.environment()).env("AWS_ENDPOINT_URL", endpoint);
    Ran(command.env("SSL_CERT_FILE", authority).stdin(Stdio::null()).output().unwrap())
}

#[test]
fn over_tls_only_an_aws_with_a_good_certificate_is_asked_anything() {
    let Some(laptop) = Laptop::new(&settings("")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(config) = certificates::server(folder.path()) else { return };
    let cloud = laptop.cloud.endpoint().trim_start_matches("http://").parse().unwrap();
    let port = pass_on(config, cloud);
    let authority = folder.path().join("ca.pem");

    // The certificate is for another name.
    let refused = plan(&laptop, &format!("https://127.0.0.1:{port}"), &authority).ended_with(1);
    assert!(laptop.cloud.calls().counts.is_empty(), "{}", refused.stderr());
    let planned = plan(&laptop, &format!("https://localhost:{port}"), &authority).ended_with(2);
    assert_eq!(planned.outcome(), "Plan: 11 to add, 0 to change, 0 to destroy.");
}
