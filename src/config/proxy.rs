//! `[proxy]`: the data plane's limits and times, as they are written in the file.
//!
//! The defaults and the reasons for them are in `proxy::Settings`; here are the names and ranges.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::LogTarget;
use super::access_log::{LogFormatName, LogPath};
use super::affinity::{HashOnText, StickyText};
use super::networks::Networks;
use super::value::{Count, Span};
use crate::http1::Forwarding;
use crate::pool::{Algorithm, Balance, BudgetLimits, Ejection, SLOW_START};
use crate::proxy::settings::PARK_TIMEOUT;
use crate::proxy::{Affinity, BodyRate, Hold, Inbound, Limits, Retry, Settings, Timeouts};

/// A time of the data plane: up to an hour, beyond which it is no limit.
type Time = Span<1, 3_600_000>;

/// `[proxy]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// Threads that carry traffic; one per core if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<Count<1, 1024>>,
    /// The file that requests are logged to; they are not if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<LogPath>,
    /// What a line of it looks like.
    pub access_log_format: LogFormatName,
    /// How an endpoint is chosen.
    pub balance: BalanceName,
    /// What `hash` goes by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on: Option<HashOnText>,
    /// The cookie that sticks a client to its endpoint; none does if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickyText>,
    /// How long a newcomer takes to grow into its full share.
    pub slow_start: Span<0, 3_600_000>,
    /// Proxies in front of the balancer, whose `X-Forwarded-*` and `Forwarded` are believed.
    #[serde(skip_serializing_if = "Networks::is_empty")]
    pub trusted_proxies: Networks,
    /// Proxies in front of the balancer whose connections begin with a PROXY header.
    #[serde(skip_serializing_if = "Networks::is_empty")]
    pub proxy_protocol_from: Networks,
    /// Bytes of a request's or response's head.
    pub head_bytes: Count<1024, 1_048_576>,
    /// Header lines of one head.
    pub headers: Count<8, 1000>,
    /// Bytes of a request's target.
    pub target_bytes: Count<256, 1_048_576>,
    /// Bytes of a request's body; no limit if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<Count<0, { u64::MAX >> 1 }>>,
    /// Client connections.
    pub connections: Count<1, 1_000_000>,
    /// Client connections from one address; of IPv6, from one /64.
    pub connections_per_client: Count<1, 1_000_000>,
    /// Bytes a second that a client has to send of a body, and to take of an answer; 0 is no limit.
    pub body_rate: Count<0, 1_000_000_000>,
    /// Idle connections that a thread keeps to one endpoint.
    pub upstream_idle_connections: Count<0, 65_536>,
    /// A client connection without a request.
    pub idle_timeout: Time,
    /// A request's head, from its first byte.
    pub head_timeout: Time,
    /// Opening a connection to an endpoint.
    pub connect_timeout: Time,
    /// From the end of the request to the first byte of its answer.
    pub first_byte_timeout: Time,
    /// A body, in either direction, without progress.
    pub stall_timeout: Time,
    /// A request, over all tries and holds, until its answer begins.
    pub total_timeout: Time,
    /// A connection to an endpoint without a request.
    pub upstream_idle_timeout: Time,
    /// A connection that has switched protocols, without a byte in either direction.
    pub tunnel_idle_timeout: Span<1, 604_800_000>,
    /// A refused client that goes on sending.
    pub linger_timeout: Time,
    /// Tries after the first one that sent something.
    pub retries: Count<0, 8>,
    /// Retries in per cent of the requests.
    pub retry_percent: Count<0, 100>,
    /// Retries a second that are allowed whatever the traffic.
    pub retry_per_second: Count<0, 1_000_000>,
    /// Retries that may be saved up.
    pub retry_saved: Count<0, 1_000_000>,
    /// Bytes of a request that are kept for another try.
    pub replay_bytes: Count<0, 16_777_216>,
    /// Requests that wait while nothing can take them.
    pub hold_requests: Count<0, 1_000_000>,
    /// Bytes of those requests.
    pub hold_bytes: Count<0, 17_179_869_184>,
    /// How long they wait.
    pub hold_timeout: Span<0, 3_600_000>,
    /// How long an endpoint that failed is passed over at first.
    pub ejection_first: Time,
    /// And at most.
    pub ejection_longest: Time,
    /// Late answers in a row that eject.
    pub ejection_strikes: Count<1, 1000>,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceName {
    /// The fewest requests in flight.
    #[default]
    FewestInFlight,
    /// Any.
    Random,
    /// One after the other.
    RoundRobin,
    /// The one that the request's key belongs to.
    Hash,
}

impl Default for Proxy {
    fn default() -> Self {
        let shipped = Settings::default();
        let Settings { ejection, retry, hold, limits, timeouts, inbound, .. } = shipped;
        Self {
            threads: None,
            access_log: None,
            access_log_format: LogFormatName::default(),
            balance: BalanceName::default(),
            hash_on: None,
            sticky: None,
            slow_start: span(SLOW_START),
            trusted_proxies: Networks::default(),
            proxy_protocol_from: Networks::default(),
            head_bytes: size(limits.head.head),
            headers: size(limits.head.headers),
            target_bytes: size(limits.head.target),
            body_bytes: None,
            connections: size(limits.connections_max),
            connections_per_client: size(inbound.connections_per_client),
            body_rate: Count::new(limits.body_rate.per_second),
            upstream_idle_connections: size(limits.idle_per_endpoint),
            idle_timeout: span(timeouts.idle),
            head_timeout: span(timeouts.head),
            connect_timeout: span(timeouts.connect),
            first_byte_timeout: span(timeouts.first_byte),
            stall_timeout: span(timeouts.stall),
            total_timeout: span(timeouts.total),
            upstream_idle_timeout: span(timeouts.upstream_idle),
            tunnel_idle_timeout: span(timeouts.tunnel_idle),
            linger_timeout: span(timeouts.linger),
            retries: Count::new(retry.tries.into()),
            retry_percent: Count::new(retry.budget.percent.into()),
            retry_per_second: Count::new(retry.budget.per_second.into()),
            retry_saved: Count::new(retry.budget.saved_max.into()),
            replay_bytes: size(retry.replay_max),
            hold_requests: size(hold.requests_max),
            hold_bytes: size(hold.bytes_max),
            hold_timeout: span(hold.timeout),
            ejection_first: span(ejection.first),
            ejection_longest: span(ejection.longest),
            ejection_strikes: Count::new(ejection.strikes.into()),
        }
    }
}

const fn span<const MIN_MS: u64, const MAX_MS: u64>(value: Duration) -> Span<MIN_MS, MAX_MS> {
    Span::new(value)
}

const fn size<const MIN: u64, const MAX: u64>(value: usize) -> Count<MIN, MAX> {
    Count::new(value as u64)
}

impl Proxy {
    /// What the engine is told.
    #[must_use]
    pub fn settings(&self, forwarding: Forwarding) -> Settings {
        let shipped = Settings::default();
        Settings {
            threads: self.threads.map_or(shipped.threads, Count::to_usize),
            forwarding,
            inbound: Inbound {
                trusted_proxies: self.trusted_proxies.to_proxy(),
                proxy_protocol_from: self.proxy_protocol_from.to_proxy(),
                connections_per_client: self.connections_per_client.to_usize(),
            },
            affinity: Affinity {
                hash_on: self.hash_on.map(|on| on.0),
                sticky: self.sticky.map(|name| name.0),
            },
            ejection: Ejection {
                first: self.ejection_first.get(),
                longest: self.ejection_longest.get(),
                strikes: self.ejection_strikes.to_u32(),
            },
            retry: self.retry(),
            hold: Hold {
                requests_max: self.hold_requests.to_usize(),
                bytes_max: self.hold_bytes.to_usize(),
                timeout: self.hold_timeout.get(),
                ..shipped.hold
            },
            limits: self.limits(),
            timeouts: self.timeouts(),
        }
    }

    /// Where requests are logged, and how.
    #[must_use]
    pub fn access_log(&self) -> Option<LogTarget> {
        let format = self.access_log_format.to_proxy();
        self.access_log.as_ref().map(|log| LogTarget { path: log.path().to_owned(), format })
    }

    /// How endpoints are compared.
    #[must_use]
    pub const fn balance(&self) -> Balance {
        Balance { algorithm: self.balance.algorithm(), slow_start: self.slow_start.get() }
    }

    fn retry(&self) -> Retry {
        Retry {
            tries: self.retries.to_u32(),
            budget: BudgetLimits {
                percent: self.retry_percent.to_u32(),
                per_second: self.retry_per_second.to_u32(),
                saved_max: self.retry_saved.to_u32(),
            },
            replay_max: self.replay_bytes.to_usize(),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            head: crate::http1::Limits {
                head: self.head_bytes.to_usize(),
                headers: self.headers.to_usize(),
                target: self.target_bytes.to_usize(),
            },
            body_rate: BodyRate { per_second: self.body_rate.get(), ..BodyRate::default() },
            body_max: self.body_bytes.map_or(u64::MAX, Count::get),
            connections_max: self.connections.to_usize(),
            idle_per_endpoint: self.upstream_idle_connections.to_usize(),
        }
    }

    const fn timeouts(&self) -> Timeouts {
        Timeouts {
            idle: self.idle_timeout.get(),
            park: PARK_TIMEOUT,
            head: self.head_timeout.get(),
            connect: self.connect_timeout.get(),
            first_byte: self.first_byte_timeout.get(),
            stall: self.stall_timeout.get(),
            total: self.total_timeout.get(),
            upstream_idle: self.upstream_idle_timeout.get(),
            tunnel_idle: self.tunnel_idle_timeout.get(),
            linger: self.linger_timeout.get(),
        }
    }
}

impl BalanceName {
    const fn algorithm(self) -> Algorithm {
        match self {
            Self::FewestInFlight => Algorithm::FewestInFlight,
            Self::Random => Algorithm::Random,
            Self::RoundRobin => Algorithm::RoundRobin,
            Self::Hash => Algorithm::Hash,
        }
    }
}
