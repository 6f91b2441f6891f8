//! Which system calls a subject makes for a request: `strace -c` counts them for a while.

use std::fs;
use std::time::Duration;

use anyhow::ensure;
use rustix::process::Signal;

use super::children::{Child, Core, Output, words};
use super::procfs::are_traced;
use super::stand::{Running, Stand};
use crate::cli::LoadArgs;
use crate::clock::{Moment, pause};

/// How long strace has to attach to every process.
const ATTACH_PATIENCE: Duration = Duration::from_secs(5);
const ASK_INTERVAL: Duration = Duration::from_millis(10);

/// So many requests that opening the connections, which is counted too, does not show.
const REQUESTS: u64 = 20_000;

/// The longest that is traced: a call costs many times more then.
const TRACED_MS: u64 = 10_000;

/// Calls per request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Calls {
    pub(super) receive: f64,
    pub(super) send: f64,
    pub(super) wait: f64,
    pub(super) control: f64,
    pub(super) other: f64,
}

/// Counts the calls of a subject under this load.
pub(super) fn count(stand: &Stand, running: &Running, load: &LoadArgs) -> anyhow::Result<Calls> {
    let file = stand.file("strace");
    let mut command = words(["strace", "-c", "-f", "-o"]);
    command.push(file.clone().into());
    for id in &running.ids {
        command.extend(words(["-p", &id.to_string()]));
    }
    let dir = file.parent().expect("it is in a folder");
    let mut tracer = Child::spawn(Core::Rest, &command, dir, Output::File)?;
    let end = Moment::now().after(ATTACH_PATIENCE);
    while !are_traced(&running.ids) {
        tracer.check()?;
        ensure!(Moment::now() < end, "strace does not attach: {}", tracer.complaint());
        pause(ASK_INTERVAL);
    }
    let load = LoadArgs { requests: REQUESTS, ..load.once(TRACED_MS) };
    let requests = stand.count(&load)?;
    tracer.signal(Signal::INT);
    ensure!(tracer.wait(), "strace does not end");
    ensure!(requests > 0, "nothing was answered");
    Ok(parse(&fs::read_to_string(&file)?, requests))
}

/// The table of `strace -c`, each count divided by the requests.
#[expect(clippy::cast_precision_loss, reason = "there are fewer calls than 2 to the 52nd")]
fn parse(table: &str, requests: u64) -> Calls {
    let mut calls = Calls::default();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let count = fields.get(3).and_then(|count| count.parse::<f64>().ok());
        let (Some(count), Some(&name)) = (count, fields.last()) else { continue };
        let group = match name {
            "total" => continue,
            "read" | "readv" | "recvfrom" | "recvmsg" => &mut calls.receive,
            "write" | "writev" | "sendto" | "sendmsg" | "sendfile" => &mut calls.send,
            "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => &mut calls.wait,
            "epoll_ctl" => &mut calls.control,
            _ => &mut calls.other,
        };
        *group += count / requests as f64;
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_are_grouped_and_divided_by_the_requests() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n \
                     75.78    0.507175           9       200           sendto\n \
                     20.23    0.135380           2       150       100 recvfrom\n  \
                     3.35    0.022389          20        10           epoll_pwait\n  \
                     0.31    0.002068          31         5         1 accept4\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    0.669274           6       365         1 total\n";
        let expected = Calls { receive: 1.5, send: 2.0, wait: 0.1, control: 0.0, other: 0.05 };
        assert_eq!(parse(table, 100), expected);
    }
}
