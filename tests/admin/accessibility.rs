//! axe-core finds nothing serious on the page, however it is looked at.

use std::fs;

use serde_json::Value;

use super::browser::{Browser, DESKTOP, NIGHT, PHONE};
use super::system::{Place, System, pid_in, signal};
use super::tools::tool;

/// What keeps somebody from using the page.
const GRAVE: [&str; 2] = ["serious", "critical"];

#[tokio::test]
async fn nothing_on_the_page_keeps_anybody_from_using_it() {
    let Some(axe) = tool("axe-core/node_modules/axe-core/axe.min.js") else { return };
    let axe = fs::read_to_string(axe).unwrap();
    let place = Place::new();
    let system = System::up(&place);
    let Some(browser) = Browser::open().await else { return };
    let killed = pid_in(&system.await_complete(), "instance-0");
    signal(killed, rustix::process::Signal::KILL);
    for (name, view) in [("light", DESKTOP), ("dark", NIGHT), ("phone", PHONE)] {
        browser.look(view).await;
        browser.page.goto(format!("http://{}/", system.admin)).await.unwrap();
        browser.await_that("an incident", "document.querySelector('.incident') !== null").await;
        browser.page.execute(axe.clone(), Vec::new()).await.unwrap();
        browser.press("#settings summary").await;
        assert_eq!(grave(&browser).await, Vec::<String>::new(), "{name}");
        browser.press("#sign").await;
        assert_eq!(grave(&browser).await, Vec::<String>::new(), "{name}, signing in");
    }
    browser.close().await;
}

/// Violations that matter, with what violates.
async fn grave(browser: &Browser) -> Vec<String> {
    let script = "const done = arguments[arguments.length - 1]; axe.run().then((found) => \
                  done(found.violations), (error) => done(String(error)));";
    let found = browser.page.execute_async(script, Vec::new()).await.unwrap();
    let found = found.json().as_array().unwrap_or_else(|| panic!("{:?}", found.json())).clone();
    let is_grave = |violation: &&Value| {
        violation["impact"].as_str().is_some_and(|impact| GRAVE.contains(&impact))
    };
    let told = found.iter().filter(is_grave).map(|violation| {
        let nodes = violation["nodes"].as_array().unwrap().iter();
        let nodes: Vec<&str> = nodes.filter_map(|node| node["html"].as_str()).collect();
        format!("{}: {}", violation["help"], nodes.join(" "))
    });
    told.collect()
}
