//! What the balancer has counted, as the admin API tells it. Fields are added, never renamed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::proxy::Counters;

/// The answer to `GET /v1/requests`: counts since this `up` began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Requests {
    /// Requests whose head was accepted.
    pub requests: u64,
    /// Answers 200 to 299, whoever gave them.
    pub answers_2xx: u64,
    /// Answers 300 to 399.
    pub answers_3xx: u64,
    /// Answers 400 to 499.
    pub answers_4xx: u64,
    /// Answers 500 to 599.
    pub answers_5xx: u64,
    /// Tries after the first, of all requests.
    pub retries: u64,
    /// Requests that had to wait for an endpoint.
    pub held: u64,
    /// Answers that were cut short because the endpoint's was.
    pub aborted: u64,
    /// Requests whose client left before the answer.
    pub abandoned: u64,
    /// Times that an endpoint was ejected.
    pub ejections: u64,
    /// Client connections that were accepted.
    pub accepted: u64,
    /// Connections that were opened to endpoints.
    pub connects: u64,
    /// Requests that began on a connection that was open already.
    pub reuses: u64,
}

impl From<Counters> for Requests {
    fn from(counters: Counters) -> Self {
        let [_, _, answers_2xx, answers_3xx, answers_4xx, answers_5xx] = counters.answers;
        Self {
            requests: counters.requests,
            answers_2xx,
            answers_3xx,
            answers_4xx,
            answers_5xx,
            retries: counters.retries,
            held: counters.held,
            aborted: counters.aborted,
            abandoned: counters.abandoned,
            ejections: counters.ejections,
            accepted: counters.accepted,
            connects: counters.connects,
            reuses: counters.reuses,
        }
    }
}
