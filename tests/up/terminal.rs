//! The live view in a real terminal, and what shells and `man` are told.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::system::{DEADLINE, Place, System, run, signal};

/// A program in a terminal of its own, and what it has drawn.
struct Terminal {
    child: Child,
    keys: File,
    drawn: Receiver<Vec<u8>>,
    /// What was drawn since the last text that was awaited.
    screen: String,
}

impl Terminal {
    /// Runs `cloudaps` with these words in a terminal of this size, as the leader of its session:
    /// only then is it told of a new size.
    fn run(words: &[&str], environment: &[(&str, &str)], size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        resize(&master, size);
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = || open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_cloudaps")]).args(words);
        command.env("TERM", "xterm").env_remove("NO_COLOR").envs(environment.iter().copied());
        command.stdin(slave()).stdout(Stdio::from(slave())).stderr(Stdio::from(slave()));
        let child = command.spawn().unwrap();
        let (sender, drawn) = channel();
        let mut output = File::from(master.try_clone().unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of a terminal is an error.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                let _ = sender.send(buffer[..count].to_vec());
            }
        });
        Self { child, keys: master.into(), drawn, screen: String::new() }
    }

    /// Runs the live view of the fleet in `place` on a terminal of the usual size.
    fn watch(place: &Place, environment: &[(&str, &str)]) -> Self {
        let state = place.state();
        let words = ["status", "--watch", "--state-dir", state.to_str().unwrap()];
        Self::run(&words, environment, (120, 30))
    }

    /// Waits until this is drawn, after what was awaited before. Returns all up to there.
    fn await_text(&mut self, text: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(at) = self.screen.find(text) {
                return self.screen.drain(..at + text.len()).collect();
            }
            let left = DEADLINE.saturating_sub(began.elapsed());
            let Ok(more) = self.drawn.recv_timeout(left) else {
                panic!("`{text}` was not drawn, but:\n{}", self.screen.escape_debug());
            };
            self.screen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// The program itself: what `setsid` becomes, or what it waits for if it had to fork.
    fn program(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        children.trim().parse().unwrap_or(self.child.id())
    }

    fn press(&mut self, key: &[u8]) {
        self.keys.write_all(key).unwrap();
    }

    fn resize(&self, size: (u16, u16)) {
        resize(&self.keys, size);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: impl std::os::fd::AsFd, (columns, rows): (u16, u16)) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

/// Leaves the alternate screen.
const RESTORED: &str = "\x1b[?1049l";

#[test]
fn the_live_view_draws_the_fleet_follows_the_size_and_gives_the_terminal_back() {
    let place = Place::new();
    let system = System::up(&place);
    system.await_complete();
    let mut terminal = Terminal::watch(&place, &[]);
    terminal.await_text("3 of 3 instances serve");
    terminal.await_text("q quits");
    terminal.resize((60, 16));
    terminal.await_text("instance-2");
    terminal.press(b"q");
    terminal.await_text(RESTORED);
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn who_sets_no_color_gets_none_and_control_c_is_an_end_like_any_other() {
    let place = Place::new();
    let system = System::up(&place);
    system.await_complete();
    for (environment, has_colours) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let mut terminal = Terminal::watch(&place, environment);
        let drawn = terminal.await_text("q quits");
        // Green, of the sixteen colours that every terminal has.
        assert_eq!(drawn.contains("\x1b[38;5;2"), has_colours, "{}", drawn.escape_debug());
        terminal.press(b"\x03");
        terminal.await_text(RESTORED);
        assert!(terminal.child.wait().unwrap().success());
    }
}

#[test]
fn who_ends_the_live_view_with_a_signal_finds_the_terminal_as_it_was() {
    let place = Place::new();
    let system = System::up(&place);
    system.await_complete();
    let mut terminal = Terminal::watch(&place, &[]);
    terminal.await_text("q quits");
    signal(terminal.program(), Signal::TERM);
    terminal.await_text(RESTORED);
    assert!(terminal.child.wait().unwrap().success());
}

/// A file of settings for two instances that never answer.
fn never_up(place: &Place) -> String {
    let text = "instances = 2\n[instance]\ncommand = [\"sleep\", \"{port}\"]\n";
    place.write("cloudaps.toml", text).to_str().unwrap().to_owned()
}

#[test]
fn a_start_shows_who_is_up_of_how_many_and_for_how_long_it_goes_on() {
    let place = Place::new();
    let (file, state) = (never_up(&place), place.state());
    let words = ["up", "-c", &file, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let words = [&words[..], &["--state-dir", state.to_str().unwrap()]].concat();
    let mut terminal = Terminal::run(&words, &[], (120, 30));
    for text in ["starting", "0 of 2 instances are up, ", "instance-1", "starting pid"] {
        terminal.await_text(text);
    }
    terminal.await_text("0 of 2 instances are up, 2s");
    terminal.press(b"\x03");
    terminal.await_text("everything is stopped");
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn where_there_is_no_terminal_a_long_start_is_told_in_lines() {
    let place = Place::new();
    let system = System::spawn(&place, &["-c", &never_up(&place)]);
    let line = system.await_text("starting     ");
    assert!(line.starts_with("starting     0 of 2 instances are up after "), "{line}");
    assert!(!line.contains('\x1b'), "{line:?}");
    assert!(system.stop().success());
}

#[test]
fn bash_completes_commands_and_flags() {
    let words = |line: &str| {
        let script = format!(
            "source /dev/stdin; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _cloudaps cloudaps \"${{COMP_WORDS[$COMP_CWORD]}}\" \"\"; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let completions = run(&["completions", "bash"]);
        assert!(completions.status.success());
        bash.stdin.take().unwrap().write_all(&completions.stdout).unwrap();
        let said = bash.wait_with_output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(words("cloudaps stat"), "status");
    assert_eq!(words("cloudaps status --wat"), "--watch");
    assert_eq!(words("cloudaps completions f"), "fish");
}

#[test]
fn every_shell_gets_its_own_and_another_one_is_told_which_there_are() {
    for (shell, sign) in [
        ("bash", "complete -F _cloudaps"),
        ("zsh", "#compdef cloudaps"),
        ("fish", "complete -c cloudaps"),
    ] {
        let output = run(&["completions", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(sign), "{shell}: {text}");
    }
    let refused = run(&["completions", "csh"]);
    assert_eq!(refused.status.code(), Some(64));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("csh") && said.contains("bash, zsh, fish"), "{said}");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let page = String::from_utf8(run(&["man"]).stdout).unwrap();
    assert!(page.contains(".TH cloudaps 1") && page.contains("chaos"), "{page}");
    let place = Place::new();
    let dir = place.state().with_file_name("man1");
    assert!(run(&["man", "--dir", dir.to_str().unwrap()]).status.success());
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let commands = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .map(|line| line.split(' ').next().unwrap())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() > 10, "{help}");
    for command in commands {
        let page = dir.join(format!("cloudaps-{command}.1"));
        let text =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(text.contains(&format!(".TH cloudaps-{command} 1")), "{text}");
    }
}
