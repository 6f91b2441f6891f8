//! What depends on how long a machine takes to make: the defaults that differ between providers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::End;
use super::file::StartingInterval;
use super::file::{File, LaunchTimeout, ListInterval, ProviderName, ReplacementInterval};
use super::value::Span;

/// Where the balancer listens; the original's port.
const PORT: u16 = 5000;

/// The defaults of one provider.
pub(super) struct Pace {
    pub(super) listen: SocketAddr,
    pub(super) launch_timeout: LaunchTimeout,
    pub(super) replacement_interval: ReplacementInterval,
    pub(super) list_interval: ListInterval,
    pub(super) starting_interval: StartingInterval,
    /// The longest interval between two listings while something is expected.
    pub(super) expecting: Duration,
    /// For how long after a launch or an end a listing may be too old to know of it.
    pub(super) settle: Duration,
}

/// Child processes.
const PROCESS: Pace = Pace {
    listen: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), PORT),
    // A process is up in milliseconds; a slow server of the user's own has half a minute.
    launch_timeout: Span::new(Duration::from_secs(30)),
    // A process costs nothing: once a second is gentle, and outpaces a kill per second.
    replacement_interval: Span::new(Duration::from_secs(1)),
    // Exits are noticed at once; the list is there to find what was missed.
    list_interval: Span::new(Duration::from_secs(2)),
    // Adds at most this to the time from the start of an instance to its first request.
    starting_interval: Span::new(Duration::from_millis(10)),
    // What happens is noticed without a list.
    expecting: Duration::MAX,
    // The provider reads its list from memory, where launches are before they return.
    settle: Duration::ZERO,
};

/// Servers that exist.
const STATIC: Pace = Pace {
    // They stand in the configuration, and nothing that happens to one changes the list: with ten
    // thousand of them, to go through it every other second costs 1 % of a processor.
    list_interval: Span::new(Duration::from_secs(600)),
    ..PROCESS
};

/// Machines on EC2.
const EC2: Pace = Pace {
    // Its clients are elsewhere.
    listen: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT),
    // Half a minute to the first program as a rule, then the program is fetched; a slow start is
    // not to be taken for a failure, which would only begin another slow start.
    launch_timeout: Span::new(Duration::from_secs(300)),
    // A machine is paid for a minute at least.
    replacement_interval: Span::new(Duration::from_secs(10)),
    // One call for the whole fleet: 1 % of what EC2 allows. A machine that stops answering is
    // noticed without it.
    list_interval: Span::new(Duration::from_secs(5)),
    // Of half a minute it is nothing.
    starting_interval: Span::new(Duration::from_millis(250)),
    // 5 % of what EC2 allows (20 calls a second), so that others in the account have the rest.
    expecting: Duration::from_secs(1),
    // The provider makes up for what a listing does not know yet of its own launches; this is for
    // those of a controller before it.
    settle: Duration::from_secs(5),
};

impl ProviderName {
    pub(super) const fn pace(self) -> &'static Pace {
        match self {
            Self::Process => &PROCESS,
            Self::Static => &STATIC,
            Self::Ec2 => &EC2,
        }
    }

    /// Processes are the balancer's own; machines are not ended because it is restarted.
    pub(super) const fn on_signal(self) -> End {
        match self {
            Self::Process | Self::Static => End::Everything,
            Self::Ec2 => End::Balancer,
        }
    }
}

impl File {
    /// Where the balancer listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(self.provider.pace().listen)
    }

    /// Gives what was left out the value that it has with this provider.
    pub(super) fn fill_in_pace(&mut self) {
        let pace = self.provider.pace();
        self.listen.get_or_insert(pace.listen);
        self.fleet.launch_timeout.get_or_insert(pace.launch_timeout);
        self.fleet.replacement_interval.get_or_insert(pace.replacement_interval);
        self.fleet.list_interval.get_or_insert(pace.list_interval);
        self.probe.starting_interval.get_or_insert(pace.starting_interval);
    }
}
