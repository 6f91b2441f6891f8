//! How the SDK's calls get to AWS: its own HTTP client, with the cryptography that the rest of the
//! program has already.

use aws_sdk_ec2::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, ConnectorBuilder};

/// What the SDK would choose by itself, proxies of the environment included, but with ring instead
/// of aws-lc: a second library of cryptography would be one more to keep up with, and this one
/// takes long to compile, by CMake.
pub(super) fn client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let mut connector = ConnectorBuilder::default().tls_provider(tls);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}
