//! Whether the balancer answers at its address.

use std::time::Duration;

use crate::blueprint::{Account, Answer};

/// How long one request may take: the balancer may hold it until somebody serves.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Sends one request to the balancer's address, if it has one. An answer below 500 comes from
/// whoever is behind the balancer.
pub(super) async fn ask(account: &Account, port: u16) -> Answer {
    let address = account.address().filter(|address| address.machine.is_some());
    let Some(address) = address else { return Answer::Silent };
    let url = format!("http://{}:{port}/", address.ip);
    // One that cannot be asked is as silent as one that does not answer.
    let asked = tokio::task::spawn_blocking(move || answers(&url)).await;
    if asked.unwrap_or(false) { Answer::Answered } else { Answer::Silent }
}

fn answers(url: &str) -> bool {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(REQUEST_MAX))
        .max_redirects(0)
        .proxy(None)
        .build();
    let answer = ureq::Agent::new_with_config(config).get(url).call();
    answer.is_ok_and(|answer| !answer.status().is_server_error())
}
