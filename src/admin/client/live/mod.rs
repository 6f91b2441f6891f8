//! `status --watch` on a terminal: the whole fleet on one screen, drawn anew each second.
//!
//! One thread asks the admin API and sends what it heard; this one draws, and reads the keys. When
//! there is no answer the last one stays on the screen, with how old it is.

mod draw;
mod scene;

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio_util::sync::CancellationToken;

use self::draw::draw;
use self::scene::{Heard, Scene};
use super::call::Client;
use super::failure::Failure;
use crate::cli::Colours;
use crate::clock;

/// How often the API is asked: as often as it has another second to tell of.
const ASK: Duration = Duration::from_secs(1);

/// How long a key is waited for before it is looked whether there is news: a person does not
/// notice it, and ten looks a second cost nothing.
const LOOK: Duration = Duration::from_millis(100);

/// Answers that wait to be drawn. Only the newest counts; whoever asks waits for whoever draws.
const HEARD_MAX: usize = 1;

/// Shows the fleet until `q`, Esc or Ctrl-C, or until it is told to end.
pub(super) fn until_quit(
    client: Client,
    colours: Colours,
    ended: &CancellationToken,
) -> Result<(), Failure> {
    // What cannot be had at all is told as of any other verb, and not on a screen of its own.
    let first = Heard::ask(&client)?;
    let (sender, heard) = sync_channel(HEARD_MAX);
    thread::Builder::new()
        .name("ask".to_owned())
        .spawn(move || ask_until_nobody_listens(&client, &sender))
        .map_err(Failure::Start)?;
    let mut terminal = ratatui::try_init().map_err(Failure::Start)?;
    let scene = (Scene::new(first, clock::now()), colours);
    let shown = show(&mut terminal, scene, &heard, ended);
    // The terminal is given back as it was, whatever happened.
    ratatui::try_restore().map_err(Failure::Start)?;
    shown.map_err(Failure::Print)
}

fn ask_until_nobody_listens(client: &Client, heard: &SyncSender<Result<Heard, Failure>>) {
    loop {
        thread::park_timeout(ASK);
        if heard.send(Heard::ask(client)).is_err() {
            return;
        }
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    (mut scene, colours): (Scene, Colours),
    heard: &Receiver<Result<Heard, Failure>>,
    ended: &CancellationToken,
) -> io::Result<()> {
    while !ended.is_cancelled() {
        terminal.draw(|frame| draw(frame, &scene, colours, clock::now()))?;
        // A resize ends the wait, too, and the next turn draws for the new size.
        if event::poll(LOOK)?
            && let Event::Key(key) = event::read()?
            && is_farewell(key)
        {
            return Ok(());
        }
        for news in heard.try_iter() {
            scene.take(news, clock::now());
        }
    }
    Ok(())
}

fn is_farewell(key: KeyEvent) -> bool {
    let is_control_c =
        key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let is_quit = matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc);
    key.kind == KeyEventKind::Press && (is_quit || is_control_c)
}
