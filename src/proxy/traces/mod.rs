//! Traces: what became of a sampled request and of each of its tries, told to a collector by OTLP.
//!
//! A thread writes a span when it has ended, as it goes over the wire, into a batch of its own
//! ([`Spans`]), and hands whole batches to the one thread that sends them ([`Exporter`]), through a
//! bounded queue: a request never waits for a collector, and if the queue is full the batch is
//! dropped and counted. Nothing is kept for a request that is not sampled.
//!
//! Only the encoding is somebody else's (micropb): OpenTelemetry's own SDK makes an allocation of
//! each attribute and brings threads, queues and clocks that are there already. The tests read
//! what is sent with the types that OpenTelemetry generates from its definitions.

mod collector;
mod exporter;
mod journey;
mod sampling;
mod span;
mod spans;
mod url;
mod wire;

use hyper::header::HeaderMap;

pub use collector::TlsError;
pub(super) use exporter::Exporter;
pub(super) use journey::{Journey, TryEnded};
pub use sampling::Sampling;
pub(super) use spans::{Batch, Spans};
pub use url::{CollectorUrl, ParseCollectorUrlError};

use collector::Collector;

/// What traces are told, and to whom.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// Where the collector listens.
    pub endpoint: CollectorUrl,
    /// What each request to it says besides.
    pub headers: HeaderMap,
    /// Which of the traces that begin here are recorded.
    pub sampling: Sampling,
    /// What we are called in them.
    pub service: String,
}

/// Who tells them.
#[derive(Clone, Debug)]
pub struct Teller {
    /// Its role.
    pub role: &'static str,
    /// Which of those in this role it is, if it knows.
    pub instance: Option<String>,
}

/// Traces with a collector, to which nothing was sent yet.
#[derive(Debug)]
pub struct Traces {
    collector: Collector,
    sampling: Sampling,
    /// Who we are, as each export says it.
    resource: Vec<u8>,
}

impl Traces {
    /// Prepares the way to the collector; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// It is to be encrypted, and this system trusts nobody.
    pub fn new(settings: TraceSettings, teller: &Teller) -> Result<Self, TlsError> {
        let TraceSettings { endpoint, headers, sampling, service } = settings;
        let resource = span::resource(&service, teller);
        Ok(Self { collector: Collector::new(endpoint, headers)?, sampling, resource })
    }
}

#[cfg(test)]
mod tests;
