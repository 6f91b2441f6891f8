//! A server's certificate for `localhost`, and the authority that has signed it, by openssl.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Makes an authority `ca.pem` in `folder`, and a server that it vouches for. `None`, and said why,
/// where there is no openssl.
pub(crate) fn server(folder: &Path) -> Option<Arc<ServerConfig>> {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: it needs openssl");
        return None;
    }
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
           -subj /CN=ca -keyout ca.key -out ca.pem
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server \
           -keyout key.pem -out request.pem
         echo subjectAltName=DNS:localhost > names
         openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial \
           -days 2 -extfile names -out certificate.pem";
    let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let chain = CertificateDer::pem_file_iter(folder.join("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Some(Arc::new(config))
}
