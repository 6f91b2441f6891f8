//! An incident as it is written down and as the admin API tells it. Fields are added, never
//! renamed; readers ignore those that they do not know.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Cause, Incident, IncidentId, Outcome, Step, Steps, Surrender, Who};
use crate::fleet::{Group, InstanceId, ParseSlotError, Slot};

/// The step was taken while no `up` was watching.
const UNSEEN: &str = "unseen";
/// The step was not needed.
const SKIPPED: &str = "skipped";

/// An incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// Its number; counts up, across restarts too.
    pub id: u64,
    /// The slot, such as `instance-0`.
    pub slot: String,
    /// Whether it was the backend.
    pub backend: bool,
    /// `gone`, `refused`, `unresponsive`, `unhealthy`, `flapping`, `never_served`; or `ordered`,
    /// by the operator, when nothing failed.
    pub cause: String,
    /// What was seen, in the order in which it was.
    pub evidence: Vec<String>,
    /// Who filled the slot.
    pub lost: Party,
    /// Who fills it next, once there is somebody.
    pub successor: Option<Party>,
    /// When the first sign was seen: RFC 3339, in UTC.
    pub detected_at: String,
    /// When each step was taken, in milliseconds after that.
    pub steps_ms: StepsRecord,
    /// How many launches it took.
    pub launches: u32,
    /// `open`, `repaired`, `ordered`, `recovered`; or, given up, `unwanted` (the fleet was scaled
    /// down) or `stopped`.
    pub outcome: String,
    /// When it was over, in milliseconds after the first sign: the time to repair.
    pub over_ms: Option<f64>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Party {
    /// The provider's name.
    pub id: String,
    /// What a person would look for, such as `pid 4242`.
    pub label: String,
}

/// The steps. `null` is one that is awaited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepsRecord {
    /// The instance was taken out of the traffic.
    pub ejected: Option<StepRecord>,
    /// The provider was asked for a successor.
    pub launch_sent: Option<StepRecord>,
    /// The provider says that it runs.
    pub running: Option<StepRecord>,
    /// A probe of it was accepted.
    pub port_open: Option<StepRecord>,
    /// It answered a probe well.
    pub first_2xx: Option<StepRecord>,
    /// The slot is in the traffic again.
    pub serving: Option<StepRecord>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum StepRecord {
    /// So many milliseconds after the first sign.
    At(f64),
    /// `unseen`: taken while no `up` was watching; `skipped`: not needed.
    Not(String),
}

/// A record that tells of no incident.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// It is not what we write.
    #[error("it is no incident: {0}")]
    Form(String),
    /// The slot has no such name.
    #[error(transparent)]
    Slot(#[from] ParseSlotError),
    /// A word that is none of those allowed there.
    #[error("`{word}` is no {what}")]
    Word {
        /// What it should be.
        what: &'static str,
        /// What it is.
        word: String,
    },
}

impl Record {
    /// As it is written.
    ///
    /// # Errors
    /// JSON cannot hold it, which does not happen to what [`Record::from`] made.
    pub fn to_line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|text| text + "\n")
    }

    /// Reads a line back.
    ///
    /// # Errors
    /// It is not a line that we have written.
    pub fn parse(line: &str) -> Result<Incident, BadRecord> {
        let record: Self =
            serde_json::from_str(line).map_err(|error| BadRecord::Form(error.to_string()))?;
        record.incident()
    }

    fn incident(self) -> Result<Incident, BadRecord> {
        let detected = humantime::parse_rfc3339(&self.detected_at).ok();
        let detected = detected.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(Incident {
            id: IncidentId(self.id),
            slot: self.slot.parse::<Slot>()?,
            cause: cause(&self.cause)?,
            outcome: outcome(&self.outcome, self.over_ms)?,
            detected: detected.ok_or_else(|| bad("time", &self.detected_at))?,
            steps: steps(&self.steps_ms)?,
            evidence: self.evidence,
            lost: self.lost.into(),
            successor: self.successor.map(Who::from),
            launches: self.launches,
        })
    }
}

impl From<&Incident> for Record {
    fn from(incident: &Incident) -> Self {
        let detected_at = humantime::format_rfc3339_micros(UNIX_EPOCH + incident.detected);
        Self {
            id: incident.id.0,
            slot: incident.slot.to_string(),
            backend: incident.slot.group == Group::Backend,
            cause: incident.cause.name().to_owned(),
            evidence: incident.evidence.clone(),
            lost: Party::from(&incident.lost),
            successor: incident.successor.as_ref().map(Party::from),
            detected_at: detected_at.to_string(),
            steps_ms: StepsRecord::from(&incident.steps),
            launches: incident.launches,
            outcome: incident.outcome.name().to_owned(),
            over_ms: incident.outcome.over().map(millis),
        }
    }
}

impl From<&Steps> for StepsRecord {
    fn from(steps: &Steps) -> Self {
        let record = |step: Step| match step {
            Step::Awaited => None,
            Step::At(after) => Some(StepRecord::At(millis(after))),
            Step::Unseen => Some(StepRecord::Not(UNSEEN.to_owned())),
            Step::Skipped => Some(StepRecord::Not(SKIPPED.to_owned())),
        };
        Self {
            ejected: record(steps.ejected),
            launch_sent: record(steps.launch_sent),
            running: record(steps.running),
            port_open: record(steps.port_open),
            first_2xx: record(steps.first_2xx),
            serving: record(steps.serving),
        }
    }
}

impl From<&Who> for Party {
    fn from(who: &Who) -> Self {
        Self { id: who.id.to_string(), label: who.label.clone() }
    }
}

impl From<Party> for Who {
    fn from(party: Party) -> Self {
        Self { id: InstanceId::new(party.id), label: party.label }
    }
}

fn cause(word: &str) -> Result<Cause, BadRecord> {
    let found = Cause::ALL.into_iter().find(|cause| cause.name() == word);
    found.ok_or_else(|| bad("cause", word))
}

fn outcome(word: &str, over: Option<f64>) -> Result<Outcome, BadRecord> {
    let over = over.map(duration);
    let open = over.is_none().then_some(Outcome::Open);
    let ended = over.into_iter().flat_map(|after| {
        [
            Outcome::Repaired(after),
            Outcome::Ordered(after),
            Outcome::Recovered(after),
            Outcome::GivenUp(after, Surrender::Unwanted),
            Outcome::GivenUp(after, Surrender::Stopped),
        ]
    });
    let found = open.into_iter().chain(ended).find(|outcome| outcome.name() == word);
    found.ok_or_else(|| bad("outcome", word))
}

fn steps(record: &StepsRecord) -> Result<Steps, BadRecord> {
    let step = |record: &Option<StepRecord>| match record {
        None => Ok(Step::Awaited),
        Some(StepRecord::At(after)) => Ok(Step::At(duration(*after))),
        Some(StepRecord::Not(word)) if word == UNSEEN => Ok(Step::Unseen),
        Some(StepRecord::Not(word)) if word == SKIPPED => Ok(Step::Skipped),
        Some(StepRecord::Not(word)) => Err(bad("step", word)),
    };
    Ok(Steps {
        ejected: step(&record.ejected)?,
        launch_sent: step(&record.launch_sent)?,
        running: step(&record.running)?,
        port_open: step(&record.port_open)?,
        first_2xx: step(&record.first_2xx)?,
        serving: step(&record.serving)?,
    })
}

fn bad(what: &'static str, word: &str) -> BadRecord {
    BadRecord::Word { what, word: word.to_owned() }
}

/// To microseconds: more digits say nothing.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// What no clock has measured is taken for nothing.
fn duration(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default()
}
