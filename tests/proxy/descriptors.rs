//! The engine without a descriptor left.

use std::fs;
use std::time::Duration;

use cloudaps::clock;
use cloudaps::proxy::{Settings, Timeouts};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::world::{GET, OK, Origin, Proxy, Wire, settings, until};

/// Lets this process open one more descriptor, and returns what the limit was.
fn leave_one() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let next = fs::File::open("/dev/null").unwrap();
    let next = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&next)).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(next + 1), ..before }).unwrap();
    before
}

/// The time that the engine's only thread has spent on a processor.
fn busy() -> Duration {
    let mut tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let is_ours = |task: &std::path::PathBuf| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "proxy-0")
    };
    let stat = fs::read_to_string(tasks.find(is_ours).unwrap().join("stat")).unwrap();
    // After the name, which may have spaces: utime and stime are the 14th and 15th of proc(5).
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

fn exchange(client: &mut Wire, server: &mut Wire) {
    server.head();
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn without_a_descriptor_the_clients_that_are_there_are_served_and_the_next_one_waits() {
    // The first client is sent away after this time, whose descriptor the second one gets.
    let timeouts = Timeouts { idle: Duration::from_secs(2), ..Timeouts::default() };
    let origin = Origin::new();
    let proxy = Proxy::start(Settings { timeouts, ..settings() }, &[origin.address()]);
    let mut first = proxy.client();
    first.send(GET);
    let mut server = origin.accept();
    exchange(&mut first, &mut server);
    // `/proc` cannot be read when nothing can be opened.
    let (begun, busy_before) = (clock::now(), busy());
    let limit = leave_one();
    let mut second = proxy.client();
    second.send(GET);
    first.send(GET);
    exchange(&mut first, &mut server);
    assert_eq!(proxy.counters().accepted, 1, "there was a descriptor left");
    assert_eq!(first.rest(), "");
    exchange(&mut second, &mut server);
    let elapsed = clock::now().since(begun);
    setrlimit(Resource::Nofile, limit).unwrap();
    let busy = busy() - busy_before;
    assert!(4 * busy < elapsed, "busy for {busy:?} of {elapsed:?}");
    drop(first);
    // And all is as before.
    let mut third = proxy.client();
    third.send(GET);
    exchange(&mut third, &mut server);
    until("all are counted", || proxy.counters().accepted == 3);
}
