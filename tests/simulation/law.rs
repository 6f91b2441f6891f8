//! The laws, in the order and in the words of `ARCHITECTURE.md`.

use std::fmt;

/// One thing that always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    Listing,
    Tag,
    Limit,
    Token,
    Drain,
    Settling,
    Revenant,
    Data,
    Backend,
    Freeze,
    Pause,
    Bound,
    Repetition,
    Traffic,
    Spares,
    Liveness,
}

impl Law {
    pub(crate) const ALL: [Self; 16] = [
        Self::Listing,
        Self::Tag,
        Self::Limit,
        Self::Token,
        Self::Drain,
        Self::Settling,
        Self::Revenant,
        Self::Data,
        Self::Backend,
        Self::Freeze,
        Self::Pause,
        Self::Bound,
        Self::Repetition,
        Self::Traffic,
        Self::Spares,
        Self::Liveness,
    ];

    /// The law as `ARCHITECTURE.md` has it.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Listing => "A failed or stale listing is never \"zero instances\".",
            Self::Tag => "Nothing without our owner's tag is touched.",
            Self::Limit => {
                "Launches in flight count: what lives and what is on its way never exceed the \
                 size, the spares and the surge."
            }
            Self::Token => "A launch token is used once.",
            Self::Drain => {
                "A serving instance is ended only after its drain ended or its deadline passed."
            }
            Self::Settling => {
                "An instance that is younger than the settling time and missing from a listing is \
                 alive."
            }
            Self::Revenant => "Who was ended never takes traffic again.",
            Self::Data => "At most one backend has the data open, where the data allows no more.",
            Self::Backend => {
                "Forwarders are pointed only at backends that are to have requests: those that \
                 serve, or else those that may."
            }
            Self::Freeze => {
                "After two newborns that failed alike nothing is launched until the freeze is over."
            }
            Self::Pause => {
                "While paused nothing is launched, and only what the operator named is ended."
            }
            Self::Bound => "Every plan has a bounded number of actions.",
            Self::Repetition => {
                "A plan that nobody executes comes out the same the next time; one that was begun \
                 leaves nothing to do."
            }
            Self::Traffic => "A new request never goes to a draining endpoint.",
            Self::Spares => {
                "A spare takes no request, and is promoted in the turn in which somebody is \
                 missing."
            }
            Self::Liveness => {
                "With no more faults there are, after a bounded time, exactly as many serving and \
                 standing by as desired, all backends have requests, and nothing more is to do."
            }
        }
    }
}

/// A law that did not hold, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) law: Law,
    pub(crate) found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "broken: {}\n  found: {}", self.law.sentence(), self.found)
    }
}

/// What a check says.
pub(crate) type Verdict = Result<(), Violation>;

/// The law holds, or was broken in the way that `found` tells.
pub(crate) fn law(law: Law, holds: bool, found: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { law, found: found() }) }
}
