//! Every limit and time of the engine, with what it is when nobody says otherwise, and why.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use super::affinity::Affinity;
use super::networks::Networks;
use crate::http1::{self, Forwarding};
use crate::pool::{BudgetLimits, Ejection};

/// A failed endpoint is passed over for a second at first, which costs a healthy one little...
pub const EJECTION_FIRST: Duration = Duration::from_secs(1);
/// ...and for half a minute at most, so that one that came back is found soon.
pub const EJECTION_LONGEST: Duration = Duration::from_secs(30);
/// Three answers in a row that did not come in time are no accident.
pub const EJECTION_STRIKES: u32 = 3;

/// Three retries after something was sent: when three endpoints die under a request one after the
/// other, it goes to what replaces them. One that kills whatever gets it kills no more than four.
pub const RETRY_TRIES: u32 = 3;
/// A fifth of the requests may be retried (what linkerd and Envoy settled on): a third of the
/// traffic failing for long is an outage that retries would only deepen.
pub const RETRY_PERCENT: u32 = 20;
/// Retries a second and thread that a quiet service may make whatever its traffic.
pub const RETRY_PER_SECOND: u32 = 100;
/// Saved retries: one of three endpoints killed under 3,000 requests in flight costs a thousand.
pub const RETRY_SAVED_MAX: u32 = 1000;
/// Bytes of head and body kept for another try: forms and JSON fit, uploads do not.
pub const REPLAY_MAX: usize = 64 * 1024;

/// Held requests in the whole engine: the memory that they may keep, see below, at 16 KiB each.
pub const HOLD_REQUESTS_MAX: usize = 4096;
/// Bytes of held requests in the whole engine.
pub const HOLD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Clients give up after ten to thirty seconds; an honest 503 must come before that.
pub const HOLD_TIMEOUT: Duration = Duration::from_secs(10);
/// A process is back within some ten milliseconds, so look again soon...
pub const HOLD_PAUSE_FIRST: Duration = Duration::from_millis(10);
/// ...but thousands of held requests must not hammer an address for long.
pub const HOLD_PAUSE_LONGEST: Duration = Duration::from_millis(500);

/// No limit on bodies: they are streamed, and what is too large is the application's to say.
pub const BODY_MAX: u64 = u64::MAX;
/// Bytes a second of a body that a client has to send, or to take, while we wait for it; and...
pub const BODY_RATE: u64 = 240;
/// ...how long it may take to get there. Both are Kestrel's (`MinRequestBodyDataRate`): far below
/// what the worst network carries, far above the byte a minute that would keep a connection busy.
pub const BODY_RATE_GRACE: Duration = Duration::from_secs(5);
/// Client connections of the whole engine. Idle ones cost about a kilobyte and a descriptor.
pub const CONNECTIONS_MAX: usize = 100_000;
/// Client connections from one address: a tenth of all, so that no single one shuts out the rest,
/// and so many because a carrier's address translation puts thousands of people behind one.
pub const CONNECTIONS_PER_CLIENT: usize = 10_000;
/// Idle connections that a thread keeps to one endpoint. There are never more than were busy at
/// once within [`UPSTREAM_IDLE_TIMEOUT`], and each that is closed too early costs both sides a
/// handshake; so this only guards the descriptors.
pub const IDLE_PER_ENDPOINT: usize = 4096;

/// How long a client may leave a connection idle: longer than most clients keep theirs, so that
/// it is they who close it.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a client's connection keeps its task without a request. Parking and resuming cost half
/// of a small request together: so seldom, that is nothing.
pub const PARK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a request's head may take from its first byte (slowloris).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Within one network a connection that takes a second is a packet lost or a host gone.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an endpoint may think before the first byte of its answer.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a body may make no progress, in either direction.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long all tries and waits of one request may take until its answer begins.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an idle connection to an endpoint is kept: less than servers' own limits (75 s here
/// and in nginx, 60 s in many), so that a request rarely meets a connection being closed.
pub const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection that has switched protocols may be silent. Protocols that stay silent for
/// long send pings, and TCP finds a peer that is gone; this ends what both have forgotten.
pub const TUNNEL_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long a client that is refused may go on sending before the connection is dropped: closing
/// with unread bytes would reset it, and the answer could be lost (RFC 9112 §9.6).
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// What an engine is told when it is bound. The default is what ships.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that carry traffic.
    pub threads: usize,
    /// What becomes of the client's own `X-Forwarded-*` and `Forwarded`, unless it is trusted.
    pub forwarding: Forwarding,
    /// Who clients are, and how many connections one may have.
    pub inbound: Inbound,
    /// What of a request ties it to an endpoint.
    pub affinity: Affinity,
    /// How long one that fails is passed over.
    pub ejection: Ejection,
    /// How often a request is sent again.
    pub retry: Retry,
    /// How requests wait while nothing can take them.
    pub hold: Hold,
    /// How large and how many.
    pub limits: Limits,
    /// How long.
    pub timeouts: Timeouts,
}

/// Who clients are, and how many connections one may have.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Proxies in front of us, whose `X-Forwarded-*` and `Forwarded` are believed and continued.
    pub trusted_proxies: Networks,
    /// Proxies in front of us whose connections begin with a PROXY header, all of them.
    pub proxy_protocol_from: Networks,
    /// Client connections from one address over all threads; of IPv6, from one /64.
    pub connections_per_client: usize,
}

/// How often a request is sent again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Tries after the first one that sent something.
    pub tries: u32,
    /// What a thread may spend on all its requests.
    pub budget: BudgetLimits,
    /// Bytes of a request that are kept for another try.
    pub replay_max: usize,
}

/// How requests wait while nothing can take them.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// So many at once, over all threads.
    pub requests_max: usize,
    /// So many bytes of them, over all threads.
    pub bytes_max: usize,
    /// So long, then the client is told why nothing took it.
    pub timeout: Duration,
    /// The first pause before the endpoints are tried again; each one is twice the one before.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_longest: Duration,
}

/// How large and how many.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sizes of message heads.
    pub head: http1::Limits,
    /// Bytes of a request's body; `u64::MAX` is no limit.
    pub body_max: u64,
    /// How slowly a body may pass.
    pub body_rate: BodyRate,
    /// Client connections over all threads.
    pub connections_max: usize,
    /// Idle connections that a thread keeps to one endpoint.
    pub idle_per_endpoint: usize,
}

/// How slowly a client may send a body or take an answer while we wait for it.
#[derive(Clone, Copy, Debug)]
pub struct BodyRate {
    /// Bytes a second; 0 is no limit.
    pub per_second: u64,
    /// How long it may take to reach that.
    pub grace: Duration,
}

/// How long.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A client connection without a request.
    pub idle: Duration,
    /// The same, until it is parked.
    pub park: Duration,
    /// A request's head, from its first byte.
    pub head: Duration,
    /// Opening a connection to an endpoint.
    pub connect: Duration,
    /// From the end of the request to the first byte of its answer.
    pub first_byte: Duration,
    /// A body, in either direction, without progress.
    pub stall: Duration,
    /// From the head of the request to the head of its answer, over all tries and holds.
    pub total: Duration,
    /// A connection to an endpoint without a request.
    pub upstream_idle: Duration,
    /// A connection that has switched protocols, without a byte in either direction.
    pub tunnel_idle: Duration,
    /// A refused client that goes on sending.
    pub linger: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: available_parallelism().map_or(1, NonZeroUsize::get),
            forwarding: Forwarding::Overwrite,
            inbound: Inbound::default(),
            affinity: Affinity::default(),
            ejection: Ejection {
                first: EJECTION_FIRST,
                longest: EJECTION_LONGEST,
                strikes: EJECTION_STRIKES,
            },
            retry: Retry::default(),
            hold: Hold::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            trusted_proxies: Networks::default(),
            proxy_protocol_from: Networks::default(),
            connections_per_client: CONNECTIONS_PER_CLIENT,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        let budget = BudgetLimits {
            percent: RETRY_PERCENT,
            per_second: RETRY_PER_SECOND,
            saved_max: RETRY_SAVED_MAX,
        };
        Self { tries: RETRY_TRIES, budget, replay_max: REPLAY_MAX }
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            requests_max: HOLD_REQUESTS_MAX,
            bytes_max: HOLD_BYTES_MAX,
            timeout: HOLD_TIMEOUT,
            pause_first: HOLD_PAUSE_FIRST,
            pause_longest: HOLD_PAUSE_LONGEST,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: http1::Limits::default(),
            body_max: BODY_MAX,
            body_rate: BodyRate::default(),
            connections_max: CONNECTIONS_MAX,
            idle_per_endpoint: IDLE_PER_ENDPOINT,
        }
    }
}

impl BodyRate {
    /// No limit.
    pub const OFF: Self = Self { per_second: 0, grace: Duration::ZERO };
}

impl Default for BodyRate {
    fn default() -> Self {
        Self { per_second: BODY_RATE, grace: BODY_RATE_GRACE }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: IDLE_TIMEOUT,
            park: PARK_TIMEOUT,
            head: HEAD_TIMEOUT,
            connect: CONNECT_TIMEOUT,
            first_byte: FIRST_BYTE_TIMEOUT,
            stall: STALL_TIMEOUT,
            total: TOTAL_TIMEOUT,
            upstream_idle: UPSTREAM_IDLE_TIMEOUT,
            tunnel_idle: TUNNEL_IDLE_TIMEOUT,
            linger: LINGER_TIMEOUT,
        }
    }
}
