//! The laws themselves.

use cloudaps::fleet::{
    Action, Ending, Flow, Group, Handover, Instance, Operation, Phase, Plan, Reason, Tracked,
};

use super::cloud::Machine;
use super::world::World;

/// How many launches a plan may begin beyond one action for each instance that is known.
const LAUNCHES_MAX: usize = 64;

/// How many lines of the trace a report shows: enough for the story of the last seconds.
const TRACE_SHOWN: usize = 80;

fn law(holds: bool, law: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(law()) }
}

impl World {
    /// What must be true of every plan before it is begun.
    pub(crate) fn check_plan(&self, planned: &Plan, again: &Plan) -> Result<(), String> {
        law(planned == again, || "the same fleet gives the same plan twice".to_owned())?;
        let known = self.fleet.iter().count();
        law(planned.actions.len() <= known + LAUNCHES_MAX, || {
            format!("a plan has few actions, not {}", planned.actions.len())
        })?;
        self.check_limit(planned)?;
        planned.actions.iter().try_for_each(|action| self.check_action(action))
    }

    /// Launches make at most as many machines as may exist. (One of which this controller cannot
    /// know, because an earlier one launched it, or its provider said that it was gone, is too many
    /// for a while.)
    fn check_limit(&self, planned: &Plan) -> Result<(), String> {
        let spec = &self.spec.instances;
        let Handover::LaunchFirst { surge } = spec.handover else { return Ok(()) };
        let can_know = |of: &&Machine| {
            let Instance { id, token, .. } = &of.instance;
            let is_own = token.as_ref().is_some_and(|token| self.own.contains(token));
            self.fleet.get(id).is_some() || (is_own && !self.ended.contains(id))
        };
        let living = self.cloud.living(Group::Instances).filter(can_know).count();
        let is_launch = |action: &&Action| match action {
            Action::Launch(launch) => launch.slot.group == Group::Instances,
            _ => false,
        };
        let launches = planned.actions.iter().filter(is_launch).count();
        let limit = (spec.size + surge) as usize;
        law(launches == 0 || living + launches <= limit, || {
            format!("at most {limit} machines exist, not {living} and {launches} launches")
        })
    }

    fn check_action(&self, action: &Action) -> Result<(), String> {
        let paused = self.spec.operation == Operation::Paused;
        match action {
            Action::Launch(launch) => {
                law(!paused, || format!("nothing is launched or ended while paused: {action}"))?;
                law(!self.tokens.contains(&launch.token), || {
                    format!("a token launches once: {}", launch.token)
                })
            }
            Action::Drain(id, reason) | Action::Terminate(id, reason) => {
                law(!paused || *reason == Reason::Ordered, || {
                    format!("nothing is launched or ended while paused: {action}")
                })?;
                let tracked = self.fleet.get(id);
                let tracked =
                    tracked.ok_or_else(|| format!("only what is known is ended: {id}"))?;
                if matches!(action, Action::Drain(..)) { Ok(()) } else { self.check_end(tracked) }
            }
            Action::Repoint { to, .. } => {
                let stays = |of: &Tracked| matches!(of.phase, Phase::Starting | Phase::Serving);
                let mut backends = self.fleet.members(Group::Backend);
                let is_one =
                    backends.any(|of| of.instance.address == Some((*to).into()) && stays(of));
                law(is_one, || format!("forwarders follow a backend that stays: {action}"))
            }
        }
    }

    /// Nobody loses a request that a drain could have saved.
    fn check_end(&self, tracked: &Tracked) -> Result<(), String> {
        let spec = self.spec.group(tracked.instance.slot.group);
        let is_fenced = spec.handover == Handover::Fenced;
        let id = &tracked.instance.id;
        match &tracked.phase {
            Phase::Starting => Ok(()),
            Phase::Serving | Phase::Outgoing(_) => {
                law(is_fenced, || format!("who serves is drained before it is ended: {id}"))
            }
            Phase::Condemned(reason) => {
                law(is_fenced || reason.is_death() || *reason == Reason::Ordered, || {
                    format!("who may still hold requests is drained before it is ended: {id}")
                })
            }
            Phase::Draining(_, flow) => {
                let is_over = self.now >= tracked.since + spec.drain_timeout;
                law(is_over || *flow == Flow::Quiet, || format!("{id} lives until its drain ended"))
            }
            Phase::Terminating(_, ending) => {
                let is_due = matches!(ending, Ending::AskAgain(at) if *at <= self.now);
                law(is_due, || format!("nobody is ended twice at once: {id}"))
            }
        }
    }

    /// What was begun is done: the rest waits for an event, or for an instant yet to come.
    pub(crate) fn check_rest(&self, planned: &Plan, rest: &Plan) -> Result<(), String> {
        let is_due = planned.wake_at.is_some_and(|at| at <= self.now);
        law(is_due || rest.actions.is_empty(), || {
            format!("a plan that was begun leaves nothing to do: {:?}", rest.actions)
        })?;
        law(!is_due || !rest.actions.is_empty() || !planned.actions.is_empty(), || {
            "nobody is woken for nothing".to_owned()
        })
    }

    /// What must be true at any time.
    pub(crate) fn check_state(&self) -> Result<(), String> {
        let backends = self.cloud.living(Group::Backend).count();
        law(backends <= 1, || format!("at most one backend lives, not {backends}"))?;
        for tracked in self.fleet.iter() {
            let Tracked { instance, phase, .. } = tracked;
            let takes_traffic = matches!(phase, Phase::Serving | Phase::Outgoing(_));
            law(!takes_traffic || !self.ended.contains(&instance.id), || {
                format!("who was ended never serves again: {}", instance.id)
            })?;
            let is_believed_gone = phase.reason().is_some_and(Reason::is_gone);
            law(!is_believed_gone || !self.cloud.machines[&instance.id].lives(), || {
                format!("who lives is not taken for gone: {}", instance.id)
            })?;
        }
        Ok(())
    }

    /// Where every world ends when the faults do.
    pub(crate) fn check_wellness(&self) -> Result<(), String> {
        for group in [Group::Instances, Group::Backend] {
            let is_well = |of: &&Tracked| of.phase == Phase::Serving;
            let serving = self.fleet.members(group).filter(is_well).count();
            let known = self.fleet.members(group).count();
            let living = self.cloud.living(group).count();
            let size = self.spec.group(group).size as usize;
            law([serving, known, living] == [size; 3], || {
                format!(
                    "all is well in the end: of {size} of {group:?}, {serving} serve, {known} are \
                     known and {living} live: {:#?}",
                    self.rest()
                )
            })?;
        }
        let rest = self.rest();
        law(rest == Plan::default(), || format!("all is well in the end, and quiet: {rest:?}"))
    }

    pub(crate) fn report(&self, law: &str) -> String {
        let shown = &self.trace[self.trace.len().saturating_sub(TRACE_SHOWN)..];
        let (seed, trace) = (self.seed, shown.join("\n"));
        format!("{trace}\nbroken: {law}\nCLOUDAPS_SEED={seed} cargo test --test laws replays it")
    }
}

impl Drop for World {
    /// A panic of the core itself is a broken law, too.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report("no event makes the core panic"));
        }
    }
}
