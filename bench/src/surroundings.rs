//! What is around the subjects that are compared: their origins, and the clients of each, in one
//! thread that never sleeps while a subject is measured.
//!
//! It is one thread because origins and clients share a core: as two processes they wait for each
//! other's time slices, which are as long as hundreds of answers. It never sleeps because the one
//! that is measured has to wake a core that does, which costs a slower subject more often; and
//! because an alarm for each request of an open loop, where the timer is the hypervisor's, costs
//! more than all else that the clients do: at a quarter of the rate that they can ask at, they had
//! no time left, and the latencies were their own.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Stdin};
use std::rc::Rc;

use anyhow::{Context, bail};
use clap::Parser;

use crate::cli::{Cli, Command, LoadArgs, OriginArgs};
use crate::load::{Engine, say};
use crate::origin::Origin;
use crate::vigil::Vigil;

/// Said when clients are connected, and when a turn is over and all that it asked for is answered.
pub(crate) const CONNECTED: &str = "connected";
pub(crate) const RESTED: &str = "rested";

/// The orders, one in a line; a number stands for clients, counted from 0 as they were connected.
pub(crate) const TURN: &str = "turn";
pub(crate) const REPORT: &str = "report";

/// Serves, and follows the orders on the standard input until that ends. What is refused is said,
/// and the next order is awaited.
pub(crate) fn run(args: &OriginArgs) -> anyhow::Result<()> {
    let origin = Origin::new(args)?;
    origin.say_addresses()?;
    let origin = Rc::new(RefCell::new(origin));
    let mut orders = Orders::new(Rc::clone(&origin))?;
    let mut clients = Clients { origin, engines: Vec::new() };
    while let Some(order) = orders.next()? {
        match clients.follow(order.trim()) {
            Ok(answer) => say(&answer)?,
            Err(error) => say(&format!("failed: {error:#}"))?,
        }
    }
    Ok(())
}

struct Orders {
    input: BufReader<Stdin>,
    origin: Rc<RefCell<Origin>>,
}

impl Orders {
    fn new(origin: Rc<RefCell<Origin>>) -> anyhow::Result<Self> {
        let input = io::stdin();
        origin.borrow().add_input(&input).context("orders come over a pipe or a terminal")?;
        Ok(Self { input: BufReader::new(input), origin })
    }

    /// The next order, until which the origins serve; `None` is the end.
    fn next(&mut self) -> anyhow::Result<Option<String>> {
        if self.input.buffer().is_empty() {
            self.origin.borrow_mut().serve_until_input()?;
        }
        let mut line = String::new();
        let count = self.input.read_line(&mut line)?;
        Ok((count > 0).then_some(line))
    }
}

struct Clients {
    origin: Rc<RefCell<Origin>>,
    /// As they were connected; none is left of those that have reported.
    engines: Vec<Option<Engine>>,
}

impl Clients {
    fn follow(&mut self, order: &str) -> anyhow::Result<String> {
        match order.split_once(' ') {
            Some((TURN, number)) => {
                self.engine(number)?.as_mut().context(NOBODY)?.measure()?;
                Ok(RESTED.to_owned())
            }
            Some((REPORT, number)) => {
                let engine = self.engine(number)?.take().context(NOBODY)?;
                Ok(serde_json::to_string(&engine.report())?)
            }
            _ => self.connect(&load_args(order)?),
        }
    }

    fn engine(&mut self, number: &str) -> anyhow::Result<&mut Option<Engine>> {
        self.engines.get_mut(number.parse::<usize>()?).context(NOBODY)
    }

    fn connect(&mut self, args: &LoadArgs) -> anyhow::Result<String> {
        let vigil = Vigil::beside(Rc::clone(&self.origin))?;
        self.engines.push(Some(Engine::new(args, vigil)?));
        Ok(CONNECTED.to_owned())
    }
}

const NOBODY: &str = "there are no such clients";

/// What clients are to do is typed as it is for those with a process of their own.
fn load_args(order: &str) -> anyhow::Result<LoadArgs> {
    let words = ["cloudaps-bench"].into_iter().chain(order.split_whitespace());
    match Cli::try_parse_from(words) {
        Ok(Cli { command: Command::Load(args) }) => Ok(args),
        _ => bail!("`{order}` is none of `load …`, `{TURN} N` and `{REPORT} N`"),
    }
}
