//! What is measured: every case has a load, a unit, and a paragraph for its reader.

use std::net::SocketAddr;

use super::{LEAD_MS, TURN_MS};
use crate::cli::{ERRORS_MAX, Exchange, LoadArgs};

/// One of the comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Case {
    /// Small answers, 64 connections.
    Small,
    /// Small answers, 1,000 connections.
    Many,
    /// 4 KiB up, small answers.
    Post,
    /// Answers of 1 MiB.
    Download,
    /// A connection per request.
    Connect,
    /// WebSocket messages.
    Websocket,
    /// Latencies at half the load that all of them can bear.
    Half,
    /// Memory of connections that do nothing.
    Idle,
    /// Choosing among ten thousand endpoints instead of three.
    Picking,
    /// One very large body in each direction.
    Transfer,
}

/// What the CPU time is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Request,
    Gibibyte,
}

impl Case {
    pub(super) const ALL: [Self; 10] = [
        Self::Small,
        Self::Many,
        Self::Post,
        Self::Download,
        Self::Connect,
        Self::Websocket,
        Self::Half,
        Self::Idle,
        Self::Picking,
        Self::Transfer,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Small => "Small answers, 64 connections",
            Self::Many => "Small answers, 1,000 connections",
            Self::Post => "POST of 4 KiB, 64 connections",
            Self::Download => "Answers of 1 MiB, 16 connections",
            Self::Connect => "A connection per request, 64 at a time",
            Self::Websocket => "WebSocket messages, 64 connections",
            Self::Half => "Latency at half load",
            Self::Idle => "Idle connections",
            Self::Picking => "Choosing among many endpoints",
            Self::Transfer => "One very large body",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Small | Self::Many => {
                "`GET /`, answered with a body of 133 bytes; each connection asks again when it \
                 has its answer."
            }
            Self::Post => "The body goes to the origin, whose answer is small.",
            Self::Download => {
                "The origins send parts of a file, and the clients drop what they receive: neither \
                 copies anything, because their core would be what limits. HAProxy splices, as \
                 CloudAPS does of its own accord."
            }
            Self::Connect => {
                "The client says `Connection: close`; connections to the origins are kept. The \
                 latency includes the connecting."
            }
            Self::Websocket => "A message of 64 bytes and its echo, after one upgrade each.",
            Self::Half => {
                "An open loop: requests are sent at a fixed rate, the same for all, over 64 \
                 connections, and a latency counts from when its request was due. Half of the \
                 lowest throughput among all subjects in the first table."
            }
            Self::Idle => {
                "Resident memory of the processes after every connection has had one answer, \
                 less what was resident before, divided by the connections. The kernel's own \
                 memory for a socket, the same for all, is not in it."
            }
            Self::Picking => {
                "The same load as in the first table. The endpoints are addresses of 127.0.0.0/8 \
                 that lead to the same three origins. The relay takes the better of two drawn at \
                 random out of all, so nearly all of them have a kept connection by the time it is \
                 measured, and it shows what the kernel's work on so many sockets costs."
            }
            Self::Transfer => {
                "A download and an upload, one after the other. The growth is that of the peak of \
                 the resident memory."
            }
        }
    }

    pub(super) fn unit(self) -> Unit {
        if self == Self::Download { Unit::Gibibyte } else { Unit::Request }
    }

    /// Whether the system calls of its requests are counted.
    pub(super) fn counts_calls(self) -> bool {
        matches!(self, Self::Small | Self::Post | Self::Connect | Self::Websocket)
    }

    /// The load of a case that is measured in rounds; its times are those of a turn.
    pub(super) fn load(self, to: SocketAddr) -> LoadArgs {
        let (exchange, connections) = match self {
            Self::Many => (Exchange::Get, 1_000),
            Self::Post => (Exchange::Post, 64),
            Self::Download => (Exchange::Download, 16),
            Self::Connect => (Exchange::Connect, 64),
            Self::Websocket => (Exchange::Websocket, 64),
            _ => (Exchange::Get, 64),
        };
        LoadArgs {
            to,
            exchange,
            connections,
            warmup_ms: LEAD_MS,
            measure_ms: TURN_MS.into(),
            requests: u64::MAX,
            rate: None,
            errors_max: ERRORS_MAX,
        }
    }
}
