//! One machine that we own (a process or a virtual machine), and how it is named.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::Backends;
use crate::address::Address;

/// A set of interchangeable instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The machines that traffic is balanced over: forwarders, or the user's own servers.
    Instances,
    /// The machines behind the forwarders, which own the data.
    Backend,
}

impl Group {
    /// The name of the group's slots, without their number.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instances => "instance",
            Self::Backend => "backend",
        }
    }
}

/// A place in the fleet that one instance at a time fills: `instance-0`, `instance-1`, `backend-0`.
///
/// Slots make plans deterministic: what is missing, and who goes first, follows from their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The group that the place belongs to.
    pub group: Group,
    /// From 0 to the group's size − 1.
    pub index: u32,
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.group.name(), self.index)
    }
}

/// A text that names no slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a slot: allowed are `instance-0`, `instance-1`, … and `backend-0`")]
pub struct ParseSlotError(String);

impl FromStr for Slot {
    type Err = ParseSlotError;

    fn from_str(text: &str) -> Result<Self, ParseSlotError> {
        let parsed = [Group::Instances, Group::Backend].into_iter().find_map(|group| {
            let number = text.strip_prefix(group.name())?.strip_prefix('-')?;
            // `+1` and `01` would parse as numbers; a slot has exactly one name.
            let index = number.parse::<u32>().ok()?;
            (index.to_string() == number).then_some(Self { group, index })
        });
        parsed.ok_or_else(|| ParseSlotError(text.to_owned()))
    }
}

/// The provider's name of an instance. Never reused; an address or a process id can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// Wraps the provider's name.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Names one attempt to launch: the same token never makes two instances.
///
/// At most 64 printable ASCII characters, the limit of EC2's client token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaunchToken(Arc<str>);

impl LaunchToken {
    /// Names attempt number `serial` for `slot` by the controller that started with `nonce`.
    #[must_use]
    pub fn new(slot: Slot, nonce: u32, serial: u32) -> Self {
        Self(format!("{slot}-{nonce:08x}-{serial}").into())
    }

    /// Takes a token back from where it was recorded.
    #[must_use]
    pub fn recorded(text: &str) -> Self {
        Self(text.into())
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LaunchToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One attempt to fill a slot, as a provider is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Makes the attempt idempotent, and becomes part of the owner's tag.
    pub token: LaunchToken,
    /// The slot to fill.
    pub slot: Slot,
    /// Where the backends are, if any is known yet: forwarders start pointed at them.
    pub backends: Arc<Backends>,
}

/// How much traffic an instance can take, in per cent of an ordinary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capacity(u32);

impl Capacity {
    /// An ordinary instance, which all are that nobody says otherwise about.
    pub const ORDINARY: Self = Self(100);

    /// So many per cent of an ordinary instance.
    #[must_use]
    pub const fn of_percent(percent: u32) -> Self {
        Self(percent)
    }

    /// In per cent.
    #[must_use]
    pub const fn percent(self) -> u32 {
        self.0
    }
}

/// What the provider knows of whether the machine exists; whether it *serves*, the probe says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vitals {
    /// Asked for; not running yet.
    Pending,
    /// The process exists, the machine's state is `running`.
    Running,
    /// Any other state. It will never serve again; the text says how it ended (`exit status: 1`).
    Gone(String),
}

/// An instance as its provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The provider's name.
    pub id: InstanceId,
    /// The slot that it was launched for, read back from its tag.
    pub slot: Slot,
    /// The launch that made it, read back from its tag. Servers of provider `static` have none.
    pub token: Option<LaunchToken>,
    /// Where it serves traffic; unknown until the machine has an address.
    pub address: Option<Address>,
    /// Where a forwarder answers `/health` and takes a new backend, apart from user traffic.
    /// `None`: the probe asks `address` itself.
    pub control: Option<SocketAddr>,
    /// How much it can take.
    pub capacity: Capacity,
    /// Whether the machine exists.
    pub vitals: Vitals,
    /// What a person would look for: `pid 4242`, `t3.micro in us-east-1a`.
    pub label: String,
    /// When it was launched, as the time since 1970 by the calendar. For people only.
    pub launched: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_back_what_it_prints() {
        for text in ["instance-0", "instance-41", "backend-0"] {
            assert_eq!(text.parse::<Slot>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_slot_has_exactly_one_name() {
        for text in
            ["", "0", "instance", "instance-", "instance-01", "instance-+1", "backend--1", "x-0"]
        {
            let error = text.parse::<Slot>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("backend-0"), "{error}");
        }
    }

    #[test]
    fn a_launch_token_fits_ec2_client_token() {
        let slot = Slot { group: Group::Instances, index: u32::MAX };
        assert!(LaunchToken::new(slot, u32::MAX, u32::MAX).as_str().len() <= 64);
    }
}
