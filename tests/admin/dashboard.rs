//! The dashboard in a real browser, over a real fleet.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use cloudaps::metrics::HistoryView;
use rustix::process::Signal;

use super::browser::{Browser, DESKTOP, NIGHT, PHONE};
use super::system::{Place, System, pid_in, pids, signal};
use super::traffic::Load;

/// Slots of instances that serve, as the page shows them.
const SERVING: &str =
    "document.querySelectorAll('tr[data-group=instance][data-state=serving]').length";

/// The headline says that all is well.
const CALM: &str = "document.querySelector('#headline').dataset.tone === 'calm'";

/// The newest incident is over.
const REPAIRED: &str = "document.querySelector('.incident')?.dataset.outcome === 'repaired'";

fn token(place: &Place) -> String {
    fs::read_to_string(place.state().join("admin.token")).unwrap().trim().to_owned()
}

async fn open(system: &System) -> Option<Browser> {
    let browser = Browser::open().await?;
    browser.look(DESKTOP).await;
    browser.page.goto(format!("http://{}/", system.admin)).await.unwrap();
    browser.await_that("live", "document.querySelector('#link').dataset.state === 'live'").await;
    Some(browser)
}

async fn sign_in(browser: &Browser, token: &str) {
    browser.write("#token", token).await;
    browser.press("#sign-in button[type=submit]").await;
}

#[tokio::test]
async fn the_page_shows_the_fleet_and_the_console_has_nothing_to_complain_of() {
    let place = Place::new();
    let system = System::up(&place);
    let Some(browser) = open(&system).await else { return };
    browser.await_that("three slots that serve", &format!("{SERVING} === 3")).await;
    let backend = "document.querySelectorAll('tr[data-group=backend][data-state=serving]').length";
    assert_eq!(browser.ask(backend).await, 1);
    assert_eq!(browser.ask("document.querySelector('#headline').dataset.tone").await, "calm");
    browser.await_that("charts", "document.querySelectorAll('canvas').length === 3").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn a_killed_instance_is_shown_dead_and_replaced_with_its_incident_without_a_reload() {
    let place = Place::new();
    let system = System::up(&place);
    let Some(browser) = open(&system).await else { return };
    browser.await_that("three slots that serve", &format!("{SERVING} === 3")).await;
    // Nothing that happens within a frame is missed.
    browser
        .page
        .execute(
            "window.tones = []; window.isSame = true; new MutationObserver(() => window.tones.push(
                document.querySelector('#headline').dataset.tone))
                .observe(document.querySelector('#headline'), {attributes: true});",
            Vec::new(),
        )
        .await
        .unwrap();
    let killed = pid_in(&system.status(), "instance-1");
    signal(killed, Signal::KILL);
    browser.await_that("repaired", REPAIRED).await;
    let steps = "document.querySelectorAll('.incident .steps li[data-step=taken]').length === 6";
    browser.await_that("told of with all steps", steps).await;
    browser.await_that("whole", &format!("{SERVING} === 3 && {CALM}")).await;
    assert!(browser.ask("window.tones.includes('wrong')").await.as_bool().unwrap());
    assert_eq!(browser.ask("window.isSame").await, true, "the page was loaded anew");
    let lost = browser.ask("document.querySelector('.incident .evidence').textContent").await;
    assert!(lost.as_str().unwrap().contains(&killed.to_string()), "{lost}");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_the_right_one_scales_the_fleet() {
    let place = Place::new();
    let system = System::up(&place);
    let Some(browser) = open(&system).await else { return };
    browser.await_that("three slots that serve", &format!("{SERVING} === 3")).await;
    browser.press("#more").await;
    browser.press("#scale").await;
    sign_in(&browser, "0000").await;
    browser.await_that("refused", "!document.querySelector('#sign-in-refusal').hidden").await;
    assert_eq!(system.status().instances.desired, 3);

    sign_in(&browser, &token(&place)).await;
    browser.await_that("asked", "document.querySelector('#confirm').open").await;
    assert_eq!(system.status().instances.desired, 3, "it was done before it was confirmed");
    browser.press("#confirm-yes").await;
    browser.await_that("four slots that serve", &format!("{SERVING} === 4")).await;
    assert_eq!(system.status().instances.desired, 4);
    assert_eq!(
        browser.ask("location.href.includes('token') || document.cookie !== ''").await,
        false
    );
    browser.close().await;
}

/// A backend of the user's own of which several may run.
const SHARED: &str = r#"[backend]
command = ["python3", "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
health = "/"
data = "shared"
"#;

/// The page asks what to scale.
const HAS_CHOICE: &str = "!document.querySelector('#group').hidden";

#[tokio::test]
async fn backends_are_scaled_where_they_share_their_data_and_only_there() {
    let (alone, shared) = (Place::new(), Place::new());
    let config = shared.write("cloudaps.toml", SHARED);
    let system = System::up_with(&shared, &["-c", config.to_str().unwrap()]);
    let Some(browser) = open(&system).await else { return };
    browser.await_that("a choice", HAS_CHOICE).await;
    browser.press("#group option[value=backends]").await;
    browser.await_that("one backend", "document.querySelector('#size').value === '1'").await;
    browser.press("#more").await;
    browser.press("#scale").await;
    sign_in(&browser, &token(&shared)).await;
    browser.await_that("asked", "document.querySelector('#confirm').open").await;
    browser.press("#confirm-yes").await;
    system.await_status("two backends", |status| status.backend.serving == 2);
    assert_eq!(system.status().instances.desired, 3);
    browser.close().await;

    let system = System::up(&alone);
    let Some(browser) = open(&system).await else { return };
    browser.await_that("three slots that serve", &format!("{SERVING} === 3")).await;
    assert_eq!(browser.ask(HAS_CHOICE).await, false);
    browser.close().await;
}

#[tokio::test]
async fn it_is_paused_and_resumed_and_an_instance_is_replaced_from_the_page() {
    let place = Place::new();
    let system = System::up(&place);
    let Some(browser) = open(&system).await else { return };
    browser.await_that("three slots that serve", &format!("{SERVING} === 3")).await;
    browser.press("#sign").await;
    sign_in(&browser, &token(&place)).await;
    browser.await_that("signed in", "!document.querySelector('#sign-in').open").await;
    for operation in ["paused", "active"] {
        browser.press("#pause").await;
        browser.press("#confirm-yes").await;
        system.await_status(operation, |status| status.operation == operation);
        let is_shown = format!("({CALM}) === {}", operation == "active");
        browser.await_that(operation, &is_shown).await;
        browser.await_that("closed", "!document.querySelector('#confirm').open").await;
    }
    let before = pid_in(&system.status(), "instance-2");
    browser.press("tr[data-slot=instance-2] .acts button:last-child").await;
    browser.press("#confirm-yes").await;
    browser
        .await_that(
            "replaced",
            "document.querySelector('.incident')?.dataset.outcome === 'ordered'",
        )
        .await;
    system.await_status("another", |status| {
        status.slots.len() == 4
            && status.slots.iter().all(|row| row.state == "serving")
            && pid_in(status, "instance-2") != before
    });
    browser.close().await;
}

#[tokio::test]
async fn it_says_when_it_is_stale_and_goes_on_by_itself() {
    let place = Place::new();
    let system = System::up(&place);
    let Some(browser) = open(&system).await else { return };
    let address = system.admin.to_string();
    assert!(system.stop().success());
    browser.await_that("stale", "document.body.hasAttribute('data-stale')").await;
    let system = System::up_with(&place, &["--admin", &address]);
    browser.await_that("live", "document.querySelector('#link').dataset.state === 'live'").await;
    browser.await_that("three slots that serve", &format!("{SERVING} === 3")).await;
    drop(system);
    browser.close().await;
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_drain_an_instance() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let Some(browser) = Browser::open().await else { return };
    let foreign = serve_foreign_page();
    browser.page.goto(format!("http://{foreign}/")).await.unwrap();
    // As much as a page can try: even with the token, which it cannot know.
    let script = format!(
        "window.tried = null; const to = 'http://{}/v1/slots/instance-0/drain'; \
         Promise.allSettled([\
           fetch(to, {{method: 'POST', mode: 'no-cors'}}), \
           fetch(to, {{method: 'POST', headers: {{Authorization: 'Bearer {}'}}}}), \
           fetch('http://{}/v1/status', {{mode: 'cors'}}).then((answer) => answer.text()), \
         ]).then((all) => window.tried = all.map((one) => one.status).join())",
        system.admin,
        token(&place),
        system.admin
    );
    browser.page.execute(script, Vec::new()).await.unwrap();
    browser.await_that("tried", "window.tried !== null").await;
    // The first one is sent and refused, and the page may not even see that; the second is asked
    // for first, and that is refused; of the third nothing is shown.
    assert_eq!(browser.ask("window.tried").await, "rejected,rejected,rejected");
    // An order that is obeyed after it shows that nothing came of it.
    assert!(place.operate(&["pause"]).status.success());
    let after = system.await_status("paused", |status| status.operation == "paused");
    assert!(after.slots.iter().all(|row| row.state == "serving"), "{after:#?}");
    assert_eq!(pids(&after), pids(&before));
    browser.close().await;
}

#[tokio::test]
async fn it_speaks_portuguese_and_is_drawn_for_day_night_and_phone() {
    let place = Place::new();
    let system = System::up(&place);
    let Some(browser) = open(&system).await else { return };
    let load = Load::start(system.balancer, "/", 4);
    signal(pid_in(&system.await_complete(), "instance-1"), Signal::KILL);
    browser
        .await_that(
            "repaired",
            "document.querySelector('.incident')?.dataset.outcome === 'repaired'",
        )
        .await;
    // So that there is something in the charts.
    let _: HistoryView = system.await_answer("/v1/history", |told: &HistoryView| {
        told.seconds.requests.iter().filter(|count| **count > 0).count() >= 15
    });
    for (name, view) in [("light", DESKTOP), ("dark", NIGHT), ("phone", PHONE)] {
        browser.look(view).await;
        let is_wide = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.ask(is_wide).await, true, "{name}: it has to be scrolled sideways");
        browser.picture(name).await;
    }
    browser.press("#language").await;
    assert_eq!(browser.ask("document.documentElement.lang").await, "pt-BR");
    browser
        .await_that("Portuguese", "document.body.innerText.includes('Tudo está atendendo')")
        .await;
    browser.picture("phone-pt").await;
    load.stop().assert_nothing_lost();
    browser.close().await;
}

/// A page that is not ours, on this machine.
fn serve_foreign_page() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = answer(stream);
        }
    });
    address
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let _ = stream.read(&mut [0; 4096])?;
    let page = "<!doctype html><title>foreign</title>";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len())
}
