//! A headless Chromium, driven as a person would.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

use super::system::DEADLINE;
use super::tools::program;

/// Between two looks at the page, which has no event to await.
const LOOK: Duration = Duration::from_millis(20);

/// A browser window, and the driver that it hangs on.
pub(crate) struct Browser {
    pub(crate) page: WebDriver,
    _driver: Driver,
}

/// The process between us and the browser.
struct Driver {
    child: Child,
    /// Where the browser keeps its things.
    profile: TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) scheme: &'static str,
}

pub(crate) const DESKTOP: View = View { width: 1280, height: 900, scheme: "light" };
pub(crate) const NIGHT: View = View { scheme: "dark", ..DESKTOP };
pub(crate) const PHONE: View = View { width: 390, height: 844, scheme: "light" };

impl Browser {
    /// Opens a window. `None`, and a word about it, where there is no browser.
    pub(crate) async fn open() -> Option<Self> {
        let (driver, browser) = (program("chromedriver")?, program("chromium")?);
        let (driver, port) = Driver::start(driver);
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(browser.to_str().unwrap()).unwrap();
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        let profile = format!("--user-data-dir={}", driver.profile.path().display());
        // A container has neither a sandbox for root nor much shared memory.
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-proxy-server",
            "--lang=en-US",
            &profile,
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        let page = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.unwrap();
        Some(Self { page, _driver: driver })
    }

    /// Looks at the page in another way.
    pub(crate) async fn look(&self, view: View) {
        let metrics = json!({
            "width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": false,
        });
        let scheme = json!({ "name": "prefers-color-scheme", "value": view.scheme });
        let media = json!({ "features": [scheme] });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    async fn cdp(&self, method: &str, parameters: serde_json::Value) {
        self.page.cdp().send_raw(method, parameters).await.unwrap();
    }

    /// What a script answers.
    pub(crate) async fn ask(&self, script: &str) -> serde_json::Value {
        let answer = self.page.execute(format!("return {script}"), Vec::new()).await.unwrap();
        answer.json().clone()
    }

    /// Waits until a script answers with yes.
    pub(crate) async fn await_that(&self, what: &str, script: &str) {
        let began = Instant::now();
        while self.ask(script).await != json!(true) {
            if began.elapsed() > DEADLINE {
                let text = self.ask("document.body.innerText").await;
                panic!("not {what}: {}", text.as_str().unwrap_or_default());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Presses what the selector names.
    pub(crate) async fn press(&self, selector: &str) {
        let element = self.page.find(By::Css(selector)).await.unwrap();
        element.click().await.unwrap();
    }

    /// Types into what the selector names, in the place of what is there.
    pub(crate) async fn write(&self, selector: &str, text: &str) {
        let element = self.page.find(By::Css(selector)).await.unwrap();
        element.clear().await.unwrap();
        element.send_keys(text).await.unwrap();
    }

    /// A picture of the whole page, in `target/dashboard/`.
    pub(crate) async fn picture(&self, name: &str) {
        let height = self.ask("document.documentElement.scrollHeight").await.as_u64().unwrap();
        let width = self.ask("innerWidth").await;
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let shot = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.page.cdp().send_raw("Page.captureScreenshot", shot).await.unwrap();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/dashboard");
        fs::create_dir_all(&folder).unwrap();
        use base64::Engine as _;
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap());
        fs::write(folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// What the console complained of so far.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.page.browser_log().await.unwrap();
        let bad =
            log.into_iter().filter(|entry| entry.level == "SEVERE" || entry.level == "WARNING");
        bad.map(|entry| entry.message).collect()
    }

    /// Closes the window.
    pub(crate) async fn close(self) {
        self.page.clone().quit().await.unwrap();
    }
}

impl Drop for Browser {
    /// Who did not close it has failed: it ends with its driver, and nobody waits for an answer.
    fn drop(&mut self) {
        let _ = self.page.clone().leak();
    }
}

impl Driver {
    fn start(program: PathBuf) -> (Self, u16) {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        // A group of its own, so that the browser ends with it even if a test fails.
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        (Self { child, profile }, port.expect("chromedriver says its port"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
