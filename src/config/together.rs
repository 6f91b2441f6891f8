//! Which settings do not go together.

use super::file::{File, ProviderName};
use super::proxy::BalanceName;
use super::{Error, backend, machines};

/// Refuses values that are valid by themselves and not together.
pub(super) fn check(file: &File) -> Result<(), Error> {
    let refuse = |text: String| Err(Error::Together(text));
    let is_static = file.provider == ProviderName::Static;
    let listen = file.listen();
    if listen == file.admin && listen.port() != 0 {
        return refuse(format!("`listen` and `admin` are both {listen}: give one another"));
    }
    if !file.admin.ip().to_canonical().is_loopback() && !file.admin_exposed_unencrypted {
        return refuse(format!(
            "`admin` (--admin) is {}, where other machines can reach it, and the admin API does \
             not encrypt: whoever listens on the way could take its token, and then the fleet. \
             Allowed are loopback addresses, such as 127.0.0.1:5001, which `ssh -L` or a proxy \
             with TLS makes reachable; or, to take that risk, `admin_exposed_unencrypted = true` \
             (--admin-exposed-unencrypted)",
            file.admin
        ));
    }
    if is_static && file.endpoints.is_empty() {
        return refuse(
            "provider \"static\" has no server: name at least one with --endpoint ADDR, or \
             `endpoints = [\"127.0.0.1:8080\"]`"
                .to_owned(),
        );
    }
    if is_static && file.instances.is_some() {
        return refuse(
            "`instances` (--instances) is not for provider \"static\": it has as many as \
             `endpoints`"
                .to_owned(),
        );
    }
    if is_static && file.standby.get() > 0 {
        return refuse(
            "`standby` (--standby) is not for provider \"static\": all of `endpoints` take traffic"
                .to_owned(),
        );
    }
    if !is_static && !file.endpoints.is_empty() {
        return refuse(
            "`endpoints` (--endpoint) is only for provider \"static\": add --provider static"
                .to_owned(),
        );
    }
    match (file.proxy.balance, file.proxy.hash_on) {
        (BalanceName::Hash, None) => {
            return refuse(
                "`proxy.balance = \"hash\"` does not say what it goes by: add `proxy.hash_on`, \
                 which can be \"header:NAME\", \"cookie:NAME\" or \"address\""
                    .to_owned(),
            );
        }
        (BalanceName::Hash, Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            return refuse(
                "`proxy.hash_on` is only for `proxy.balance = \"hash\"`: add that, or leave it out"
                    .to_owned(),
            );
        }
    }
    machines::check_together(file)?;
    backend::check_together(file)
}
