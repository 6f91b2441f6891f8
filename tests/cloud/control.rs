//! What a test asks of its cloud, and finds out from it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Cloud;

/// How long the cloud may take to answer, which includes what it is asked to wait for.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// How long a test waits until a fault has struck, or a command has ended.
const WAIT_MAX_SECONDS: u64 = 30;

/// The way to the cloud's own interface.
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
}

/// Something that goes wrong with the calls of one action (`*`: of any), until it is removed.
pub(crate) struct Fault(Value);

impl Fault {
    /// It is refused with `code`, and nothing is done.
    pub(crate) fn error(action: &str, code: &str, status: u16) -> Self {
        Self(json!({ "kind": "error", "action": action, "code": code, "status": status }))
    }

    /// It is done, and the connection closed without an answer.
    pub(crate) fn lost(action: &str) -> Self {
        Self(json!({ "kind": "lost", "action": action }))
    }

    /// It takes so much longer.
    pub(crate) fn delay(action: &str, time: Duration) -> Self {
        Self(json!({ "kind": "delay", "action": action, "seconds": time.as_secs_f64() }))
    }

    /// It is not done and not answered as long as this fault is there, and never after.
    pub(crate) fn hang(action: &str) -> Self {
        Self(json!({ "kind": "hang", "action": action }))
    }

    /// It is done, and not answered as long as this fault is there, and never after.
    pub(crate) fn hang_after(action: &str) -> Self {
        Self(json!({ "kind": "hang-after", "action": action }))
    }

    /// There is no room for an instance of any type, in any zone, on any market.
    pub(crate) fn no_capacity() -> Self {
        Self(json!({ "kind": "capacity" }))
    }

    /// Only for this type.
    pub(crate) fn of_type(self, name: &str) -> Self {
        self.with("instance_type", json!(name))
    }

    /// Only in this zone.
    pub(crate) fn in_zone(self, name: &str) -> Self {
        self.with("zone", json!(name))
    }

    /// Only on this market.
    pub(crate) fn on_market(self, market: Market) -> Self {
        let name = match market {
            Market::OnDemand => "on-demand",
            Market::Spot => "spot",
        };
        self.with("market", json!(name))
    }

    /// Strikes so often, and then no more.
    pub(crate) fn times(self, count: u32) -> Self {
        self.with("times", json!(count))
    }

    /// Lets so many calls pass first.
    pub(crate) fn skip(self, count: u32) -> Self {
        self.with("skip", json!(count))
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.0[key] = value;
        self
    }
}

/// How an instance is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Market {
    OnDemand,
    Spot,
}

/// A fault that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct FaultId {
    id: u32,
}

/// How the cloud behaves without anything going wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Setting {
    /// From `RunInstances` until an instance runs.
    Pending(Duration),
    /// From `TerminateInstances` or `StopInstances` until it has, at least.
    ShuttingDown(Duration),
    /// From `AttachVolume` until it is.
    Attaching(Duration),
    /// From `DetachVolume` until it is, at least.
    Detaching(Duration),
    /// How long no call knows an instance that was launched.
    HiddenFor(Duration),
    /// How long EC2 does not know an instance profile that was made.
    ProfilesUnknownFor(Duration),
    /// How old the states are that descriptions tell.
    Behind(Duration),
    /// Security groups stop who may not connect, also to machines that are there already.
    Firewalls,
    /// The API takes as many calls as are made.
    Unlimited,
}

impl Setting {
    fn json(self) -> Value {
        let delay = |name: &str, time: Duration| json!({ "delays": { name: time.as_secs_f64() } });
        match self {
            Self::Pending(time) => delay("pending", time),
            Self::ShuttingDown(time) => delay("shutting-down", time),
            Self::Attaching(time) => delay("attaching", time),
            Self::Detaching(time) => delay("detaching", time),
            Self::HiddenFor(time) => json!({ "hidden_for": time.as_secs_f64() }),
            Self::ProfilesUnknownFor(time) => {
                json!({ "profiles_unknown_for": time.as_secs_f64() })
            }
            Self::Behind(time) => json!({ "behind": time.as_secs_f64() }),
            Self::Firewalls => json!({ "has_firewalls": true }),
            Self::Unlimited => json!({ "has_buckets": false }),
        }
    }
}

/// An instance and its machine.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Machine {
    pub(crate) id: String,
    /// Its private address.
    pub(crate) address: String,
    pub(crate) public_addresses: Vec<String>,
    /// As the API would tell it.
    pub(crate) state: String,
    /// Whether there is a machine.
    pub(crate) is_up: bool,
    pub(crate) tags: BTreeMap<String, String>,
    /// Command lines by process id.
    pub(crate) processes: BTreeMap<String, String>,
}

/// What a command on a machine came to.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Output {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The calls of the API so far.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Calls {
    /// Seconds since the cloud was started.
    pub(crate) now: f64,
    /// By `service:Action`.
    pub(crate) counts: BTreeMap<String, u64>,
    /// The latest ten thousand, in their order.
    pub(crate) calls: Vec<Call>,
}

impl Calls {
    /// How often an action like `ec2:RunInstances` was called.
    pub(crate) fn count(&self, action: &str) -> u64 {
        self.counts.get(action).copied().unwrap_or(0)
    }
}

/// One call.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Call {
    /// When it came, in seconds since the cloud was started.
    pub(crate) at: f64,
    pub(crate) service: String,
    pub(crate) action: String,
    /// The access key that signed it.
    pub(crate) key: String,
    /// `ok`, an error's code, `lost`, or none yet.
    pub(crate) outcome: Option<String>,
    /// What was asked for, as the form has it; without the user data.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// What a test does to its cloud.
impl Cloud {
    /// Makes something go wrong from now on.
    pub(crate) fn add(&self, fault: &Fault) -> FaultId {
        self.control.post("faults", &fault.0)
    }

    /// Nothing goes wrong any more.
    pub(crate) fn remove_faults(&self) {
        self.control.delete("faults");
    }

    /// Waits until a fault has struck `count` times.
    #[track_caller]
    pub(crate) fn await_hits(&self, fault: FaultId, count: u64) {
        let path = format!("faults/{}?hits={count}&seconds={WAIT_MAX_SECONDS}", fault.id);
        let found: BTreeMap<String, u64> = self.control.get(&path);
        assert!(found["hits"] >= count, "the fault struck {} times, not {count}", found["hits"]);
    }

    pub(crate) fn set(&self, setting: Setting) {
        self.control.put("settings", &setting.json());
    }

    /// All calls since the start, or since they were forgotten.
    pub(crate) fn calls(&self) -> Calls {
        self.control.get("calls")
    }

    /// Waits for the end of every call that was under way, also of those whose caller is gone. Who
    /// hangs because of a [`Fault`] is not waited for.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let path = format!("settled?seconds={WAIT_MAX_SECONDS}");
        let found: BTreeMap<String, bool> = self.control.get(&path);
        assert!(found["settled"], "a call has not ended");
    }

    pub(crate) fn forget_calls(&self) {
        self.control.delete("calls");
    }

    /// Everything that is in the account: kind of resource, to id, to what there is to compare.
    pub(crate) fn account(&self) -> BTreeMap<String, BTreeMap<String, Value>> {
        self.control.get("account")
    }

    /// An instance that is none of the fleet's: nobody called the API for it.
    pub(crate) fn launch(&self, user_data: &str, tags: &[(&str, &str)]) -> String {
        let tags: BTreeMap<_, _> = tags.iter().copied().collect();
        let order = json!({ "user_data": user_data, "tags": tags });
        let mut made: BTreeMap<String, String> = self.control.post("instances", &order);
        made.remove("id").expect("the cloud says which")
    }

    /// All machines, those that are gone, too.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        self.control.get("machines")
    }

    #[track_caller]
    pub(crate) fn machine(&self, id: &str) -> Machine {
        let mut machines = self.machines().into_iter();
        machines.find(|machine| machine.id == id).unwrap_or_else(|| panic!("no machine {id}"))
    }

    /// What a machine printed so far: its user data, its services, and its first process.
    pub(crate) fn console(&self, id: &str) -> String {
        let mut found: BTreeMap<String, String> = self.control.get(&format!("machines/{id}"));
        found.remove("text").unwrap_or_default()
    }

    /// Terminates an instance without a call of the API.
    pub(crate) fn terminate(&self, id: &str) {
        self.tell(id, "terminate", &json!({}));
    }

    /// Stops an instance without a call of the API.
    pub(crate) fn stop(&self, id: &str) {
        self.tell(id, "stop", &json!({}));
    }

    /// The machine is gone from one moment to the next, and the API says that it runs.
    pub(crate) fn crash(&self, id: &str) {
        self.tell(id, "crash", &json!({}));
    }

    /// Nothing reaches the machine any more, and nothing comes from it.
    pub(crate) fn cut(&self, id: &str) {
        self.tell(id, "cut", &json!({}));
    }

    /// The opposite of [`Self::cut`].
    pub(crate) fn mend(&self, id: &str) {
        self.tell(id, "mend", &json!({}));
    }

    /// Tells a spot instance that it will be terminated after so long, and does it.
    pub(crate) fn interrupt(&self, id: &str, after: Duration) {
        self.tell(id, "interrupt", &json!({ "seconds": after.as_secs_f64() }));
    }

    /// Sends `KILL`, `STOP`, … to what has `process` in its command line; at least one has to.
    #[track_caller]
    pub(crate) fn signal(&self, id: &str, process: &str, signal: &str) {
        let order = json!({ "process": process, "signal": signal });
        let hit = self.tell(id, "signal", &order);
        assert!(hit["hit"].as_u64() > Some(0), "{process:?} does not run on {id}");
    }

    /// Runs a command on a machine, as root.
    pub(crate) fn run(&self, id: &str, command: &[&str]) -> Output {
        let order = json!({ "command": command, "seconds": WAIT_MAX_SECONDS });
        serde_json::from_value(self.tell(id, "run", &order)).unwrap()
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, order: &Value) -> T {
        self.control.post(path, order)
    }

    fn tell(&self, id: &str, verb: &str, order: &Value) -> Value {
        self.control.post(&format!("machines/{id}/{verb}"), order)
    }
}

impl Client {
    pub(super) fn new(endpoint: &str) -> Self {
        let config = ureq::Agent::config_builder();
        let config = config.timeout_global(Some(ANSWER_MAX)).http_status_as_error(false);
        Self { agent: config.build().into(), url: format!("{endpoint}/_cloud") }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    #[track_caller]
    fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        read(self.agent.get(self.at(path)).call().unwrap())
    }

    #[track_caller]
    fn put(&self, path: &str, order: &Value) {
        read::<Value>(self.agent.put(self.at(path)).send_json(order).unwrap());
    }

    #[track_caller]
    fn delete(&self, path: &str) {
        read::<Value>(self.agent.delete(self.at(path)).call().unwrap());
    }

    #[track_caller]
    fn post<T: DeserializeOwned>(&self, path: &str, order: &Value) -> T {
        read(self.agent.post(self.at(path)).send_json(order).unwrap())
    }
}

#[track_caller]
fn read<T: DeserializeOwned>(mut answer: ureq::http::Response<ureq::Body>) -> T {
    let text = answer.body_mut().read_to_string().unwrap();
    assert_eq!(answer.status(), 200, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
