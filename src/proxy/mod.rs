//! How requests flow: the engine that relays HTTP/1.1 between clients and endpoints.
//!
//! One thread per core, and nothing shared between them but what is written rarely: each has its
//! own runtime, its own listening socket on the same port (`SO_REUSEPORT`), its own connections to
//! the endpoints and its own counters. One task per client connection tells the story of its
//! requests (`session.rs`), each of which is an exchange (`exchange.rs`) whose answer is delivered
//! (`delivery.rs`). The pool reaches the threads as an immutable snapshot, swapped whole: there is
//! no reload, and a control plane that is stuck never stops the traffic.
//!
//! In the steady state a request costs no lock that others contend for, no shared atomic, no change
//! to what epoll watches, and no allocation. What waits holds no buffer: each thread keeps a stock
//! of them for what does not. What has been idle for long holds no task either (`parking.rs`).

mod accept;
mod access_log;
mod affinity;
mod alarm;
mod answering;
mod attend;
mod buffer;
mod client;
mod counters;
mod delivery;
mod download;
mod engine;
mod error;
mod exchange;
mod failures;
mod inbound;
mod io;
mod listen;
mod networks;
mod pace;
mod parking;
mod parts;
mod per_client;
mod pipes;
mod problem;
mod record;
mod refuse;
mod report;
mod run;
mod session;
pub mod settings;
mod snapshot;
mod socket;
mod space;
mod stint;
mod stock;
mod thread;
mod traces;
mod trail;
mod tries;
mod tunnel;
mod upload;
mod upstream;

pub use access_log::{AccessLog, LogFormat, OpenLogError};
pub use affinity::{Affinity, HashOn};
pub use counters::{Counters, Latencies, Levels, Meter};
pub use engine::{Engine, Running, StartError};
pub use error::{Error, Kind, Side};
pub use listen::{BindError, raise_descriptor_limit};
pub use networks::Networks;
pub use report::{Failure, Report};
pub use settings::{BodyRate, Hold, Inbound, Limits, Retry, Settings, Timeouts};
pub use traces::{
    CollectorUrl, ParseCollectorUrlError, Sampling, Teller, TlsError, TraceSettings, Traces,
};
