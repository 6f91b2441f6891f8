//! Waiting for whatever comes first: something at a connection, or a moment.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use crate::clock::{Alarm, Moment};
use crate::origin::Origin;
use crate::socket::Poll;

/// What the alarm is reported as, which nothing else may be.
pub(crate) const ALARM: u64 = u64::MAX;

/// A poll that also ends in time.
pub(crate) struct Vigil {
    poll: Poll,
    manner: Manner,
}

enum Manner {
    /// Sleeps; an alarm ends that.
    Asleep(Alarm),
    /// Looks again and again (busy polling), and lets the origins do their work in between.
    Beside(Rc<RefCell<Origin>>),
}

impl Vigil {
    /// Leaves the core to others while there is nothing to do.
    pub(crate) fn asleep() -> io::Result<Self> {
        let (poll, alarm) = (Poll::new()?, Alarm::new()?);
        poll.add_alarm(&alarm, ALARM)?;
        Ok(Self { poll, manner: Manner::Asleep(alarm) })
    }

    /// Shares a thread with the origins, and needs its core alone.
    pub(crate) fn beside(origin: Rc<RefCell<Origin>>) -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, manner: Manner::Beside(origin) })
    }

    /// Reports what happens to a connection as `token`.
    pub(crate) fn add(&self, socket: &impl AsFd, token: u64) -> io::Result<()> {
        self.poll.add(socket, token)
    }

    /// Waits until then at most, and returns how many tokens there are to ask for.
    pub(crate) fn wait(&mut self, until: Moment) -> io::Result<usize> {
        match &mut self.manner {
            Manner::Asleep(alarm) => {
                alarm.set(until)?;
                self.poll.wait()
            }
            Manner::Beside(origin) => loop {
                origin.borrow_mut().look_after()?;
                let count = self.poll.look()?;
                if count > 0 || Moment::now() >= until {
                    return Ok(count);
                }
            },
        }
    }

    /// One of the tokens of the last wait.
    #[inline]
    pub(crate) fn token(&self, index: usize) -> u64 {
        self.poll.token(index)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;
    use crate::cli::OriginArgs;

    #[test]
    fn it_ends_with_what_comes_first() {
        let origin = Origin::new(&OriginArgs { listen: Vec::new(), delay_ms: 0 }).unwrap();
        let origin = Rc::new(RefCell::new(origin));
        for mut vigil in [Vigil::asleep().unwrap(), Vigil::beside(origin).unwrap()] {
            let until = Moment::now().after(Duration::from_micros(200));
            let count = vigil.wait(until).unwrap();
            assert!((0..count).all(|index| vigil.token(index) == ALARM));
            assert!(Moment::now() >= until);

            let (ours, theirs) = UnixStream::pair().unwrap();
            vigil.add(&ours, 7).unwrap();
            drop(theirs);
            assert_eq!(vigil.wait(Moment::END).unwrap(), 1);
            assert_eq!(vigil.token(0), 7);
        }
    }
}
