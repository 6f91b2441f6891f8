//! Every metric that there is. `docs/metrics.md`, the dashboard and the alerts in `deploy/` are
//! held to this list by a test.

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; its samples are called `NAME_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Times, by how long they took: `NAME_bucket`, `NAME_sum`, `NAME_count`.
    Histogram,
}

/// Numbers of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name, without a suffix.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it means, in one line.
    pub help: &'static str,
}

impl Kind {
    /// The kind in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Family {
    /// The names that its samples have.
    #[must_use]
    pub fn sample_names(&self) -> Vec<String> {
        let suffixes: &[&str] = match self.kind {
            Kind::Counter => &["_total"],
            Kind::Gauge => &[""],
            Kind::Histogram => &["_bucket", "_sum", "_count"],
        };
        suffixes.iter().map(|suffix| format!("{}{suffix}", self.name)).collect()
    }
}

macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Family =
                Family { name: $name, kind: Kind::$kind, help: $help };
        )*

        /// All of them, in the order in which they are told.
        pub static ALL: &[&Family] = &[$(&$constant),*];
    };
}

families! {
    REQUESTS: Counter "cloudaps_requests"
        "Requests whose head was accepted.";
    RESPONSES: Counter "cloudaps_responses"
        "Answers by class of status, whoever gave them.";
    FIRST_BYTE: Histogram "cloudaps_time_to_first_byte_seconds"
        "From a request's head to the first bytes of its answer.";
    DURATION: Histogram "cloudaps_request_duration_seconds"
        "From a request's head to the end of its answer, or to its failure.";
    CUT: Counter "cloudaps_responses_cut"
        "Answers that were cut short, by whose doing it was.";
    RETRIES: Counter "cloudaps_retries"
        "Tries after the first, of all requests.";
    RETRIES_LEFT: Gauge "cloudaps_retry_budget_remaining"
        "Retries that the budget has left.";
    HOLDS: Counter "cloudaps_holds"
        "Requests that had to wait for an endpoint.";
    HELD: Gauge "cloudaps_held_requests"
        "Requests that wait for an endpoint.";
    HELD_BYTES: Gauge "cloudaps_held_bytes"
        "Bytes of the requests that wait for an endpoint.";
    EJECTIONS: Counter "cloudaps_ejections"
        "Times that an endpoint was passed over after a failure.";
    CLIENTS_ACCEPTED: Counter "cloudaps_client_connections_accepted"
        "Client connections that were accepted.";
    CLIENTS: Gauge "cloudaps_client_connections"
        "Client connections that are open.";
    CLIENTS_REFUSED: Counter "cloudaps_client_connections_refused"
        "Client connections that were refused, by why.";
    UPSTREAM_OPENED: Counter "cloudaps_upstream_connections_opened"
        "Connections that were opened to endpoints.";
    UPSTREAM_REUSED: Counter "cloudaps_upstream_connections_reused"
        "Requests that were sent on a connection that was open already.";
    UPSTREAM: Gauge "cloudaps_upstream_connections"
        "Connections to endpoints that are open, by what they do.";
    LOG_LINES: Counter "cloudaps_access_log_lines"
        "Lines of the access log, by what became of them.";
    TRACE_SPANS: Counter "cloudaps_trace_spans"
        "Spans of sampled requests, by what became of them.";
    SLOT_RESPONSES: Counter "cloudaps_slot_responses"
        "Answers that the instances of a slot gave, by class of status.";
    SLOT_FAILURES: Counter "cloudaps_slot_failures"
        "Tries that the instances of a slot failed without an answer.";
    SLOT_FIRST_BYTE: Histogram "cloudaps_slot_time_to_first_byte_seconds"
        "From a request's head to the first bytes of the answer, by the slot that gave it.";
    SLOT_IN_FLIGHT: Gauge "cloudaps_slot_requests_in_flight"
        "Requests that the instances of a slot are answering.";
    SLOT_SERVING: Gauge "cloudaps_slot_serving"
        "Whether an instance in the slot serves.";
    INSTANCES: Gauge "cloudaps_instances"
        "Instances, by group and phase.";
    INSTANCES_DESIRED: Gauge "cloudaps_instances_desired"
        "Instances that should serve, by group.";
    STANDBY_DESIRED: Gauge "cloudaps_standby_desired"
        "Instances that should stand by.";
    ACTIVE: Gauge "cloudaps_active"
        "Whether the controller repairs: 0 while it is paused or stops.";
    PLAN_HOLDS: Gauge "cloudaps_plan_holds"
        "Things that the controller waits for.";
    LAUNCHES: Counter "cloudaps_launches"
        "Instances that the provider was asked for, by group.";
    PROBES: Counter "cloudaps_probes"
        "Probes, by what they found.";
    PROBE_DURATION: Histogram "cloudaps_probe_duration_seconds"
        "How long probes took.";
    INCIDENTS: Counter "cloudaps_incidents"
        "Incidents that began, by cause.";
    INCIDENTS_ENDED: Counter "cloudaps_incidents_ended"
        "Incidents that are over, by outcome.";
    REPAIR_DURATION: Histogram "cloudaps_repair_duration_seconds"
        "From the first sign of a failure until the slot served again, by group.";
    PROVIDER_CALLS: Counter "cloudaps_provider_calls"
        "Calls to the provider, by verb and how they ended.";
    PROVIDER_DURATION: Histogram "cloudaps_provider_call_duration_seconds"
        "How long calls to the provider took, by verb.";
    BUILD: Gauge "cloudaps_build_info"
        "The version that runs, as a label of a number that is always 1.";
    CPU: Counter "process_cpu_seconds"
        "User and system time that this process has used.";
    RESIDENT: Gauge "process_resident_memory_bytes"
        "Memory of this process that is in use.";
    THREADS: Gauge "process_threads"
        "Threads of this process.";
    OPEN_FDS: Gauge "process_open_fds"
        "Descriptors that this process has open.";
    MAX_FDS: Gauge "process_max_fds"
        "Descriptors that this process may open.";
    STARTED: Gauge "process_start_time_seconds"
        "When this process started, in seconds since 1970.";
}
