//! What goes wrong in a world, and how often.

/// Each in per cent of the times when it could happen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    // What the cloud does with a call.
    pub(crate) request_lost: u32,
    pub(crate) answer_lost: u32,
    pub(crate) answer_slow: u32,
    pub(crate) error: u32,
    pub(crate) throttled_by_others: u32,
    pub(crate) capacity_gone: u32,
    pub(crate) end_lies: u32,
    pub(crate) notice_lost: u32,
    pub(crate) notice_twice: u32,
    // What the machines do.
    pub(crate) newborn_crashes: u32,
    pub(crate) newborn_never_boots: u32,
    pub(crate) newborn_boots_slowly: u32,
    pub(crate) machine_dies: u32,
    pub(crate) machine_hangs: u32,
    pub(crate) machine_slows: u32,
    pub(crate) machine_flaps: u32,
    pub(crate) machine_recovers: u32,
    // What is between us and them.
    pub(crate) probes_lie: u32,
    pub(crate) address_reused: u32,
    // What happens to us.
    pub(crate) controller_dies: u32,
    pub(crate) controller_sleeps: u32,
    pub(crate) calendar_jumps: u32,
    pub(crate) operator_acts: u32,
}

impl Faults {
    /// Some faults often, some now and then, some never: a world full of everything would never
    /// get far enough to meet the rare combinations.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut often = || rng.choice([0, 0, 0, 5, 20, 60]).expect("there are choices");
        let calls = Self {
            request_lost: often(),
            answer_lost: often(),
            answer_slow: often(),
            error: often(),
            end_lies: often(),
            notice_lost: often(),
            notice_twice: often(),
            newborn_crashes: often(),
            newborn_never_boots: often(),
            newborn_boots_slowly: often(),
            address_reused: often(),
            ..Self::default()
        };
        let mut seldom = || rng.choice([0, 0, 1, 3, 6]).expect("there are choices");
        Self {
            throttled_by_others: seldom(),
            capacity_gone: seldom(),
            machine_dies: seldom(),
            machine_hangs: seldom(),
            machine_slows: seldom(),
            machine_flaps: seldom(),
            machine_recovers: seldom(),
            probes_lie: seldom(),
            controller_dies: seldom(),
            controller_sleeps: seldom(),
            calendar_jumps: seldom(),
            operator_acts: seldom(),
            ..calls
        }
    }
}
