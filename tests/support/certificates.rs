//! A server's certificate for `localhost`, and the authority that has signed it, by openssl.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Makes an authority `NAME.pem` in `folder`, and a server that it vouches for: `NAME-server.pem`
/// and `NAME-server.key`. `false`, and said why, where there is no openssl.
#[must_use]
pub(crate) fn certify(folder: &Path, name: &str) -> bool {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: it needs openssl");
        return false;
    }
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
           -subj /CN={name} -keyout {name}.key -out {name}.pem
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server \
           -keyout {name}-server.key -out {name}-server.csr
         echo subjectAltName=DNS:localhost > {name}.ext
         openssl x509 -req -in {name}-server.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial \
           -days 2 -extfile {name}.ext -out {name}-server.pem"
    );
    let output = Command::new("sh").args(["-ec", &script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// A server that shows a certificate of the authority `ca.pem`, which is made in `folder`.
pub(crate) fn server(folder: &Path) -> Option<Arc<ServerConfig>> {
    if !certify(folder, "ca") {
        return None;
    }
    let chain = CertificateDer::pem_file_iter(folder.join("ca-server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("ca-server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Some(Arc::new(config))
}
