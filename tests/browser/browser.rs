//! A browser of one's own: Chromium, driven by the driver that is started for it. Whoever asks for something on a page
//! waits until it is there; what does not come fails the walk with the state of the page.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::portal::{Person, Portal};

/// How long a page may take to come to what is waited for: long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(600);
/// More presses of Tab than any page has stops.
const STOPS: usize = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(30);
/// What references to elements are called (W3C `WebDriver`, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const DOWN: &str = "\u{e015}";
pub(crate) const LEFT: &str = "\u{e012}";
pub(crate) const RIGHT: &str = "\u{e014}";
pub(crate) const HOME: &str = "\u{e011}";
pub(crate) const END: &str = "\u{e010}";
const SHIFT: &str = "\u{e008}";

/// What the driver refused, in its words.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: String,
    pub(crate) message: String,
}

pub(crate) struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    home: String,
    /// Removed with it.
    profile: TempDir,
}

/// Switched off as a person would, in the settings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

impl Browser {
    /// A browser with an empty profile, at the portal's door. `None`, with a word, when there is no browser on this machine and none is
    /// demanded.
    pub(crate) fn open(portal: &Portal) -> Option<Self> {
        Self::open_with(portal, Scripts::On)
    }

    pub(crate) fn open_with(portal: &Portal, scripts: Scripts) -> Option<Self> {
        let (chromedriver, chromium) = programs()?;
        let profile = TempDir::new().expect("a directory of its own");
        let mut driver = Command::new(chromedriver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let port = port(&mut driver);
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE * 2)).build().into();
        let mut browser =
            Self { driver, agent, session: format!("http://127.0.0.1:{port}/session"), home: portal.address.clone(), profile };
        let mut options = json!({
            "binary": chromium,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                "--window-size=1440,900", format!("--user-data-dir={}", browser.profile.path().display())],
        });
        if scripts == Scripts::Off {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            // What takes long on a slow machine is no failure: the driver gives a script half a minute of itself.
            "timeouts": { "script": PATIENCE.as_secs() * 1000, "pageLoad": PATIENCE.as_secs() * 1000 },
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let session = browser.post("", &wanted);
        let id = session["sessionId"].as_str().expect("a session");
        browser.session = format!("{}/{id}", browser.session);
        browser.screen(1440, 900);
        browser.theme("light");
        Some(browser)
    }

    // ── The driver ──────────────────────────────────────────────────────────

    fn answer(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, Refused> {
        let mut answer = answer.expect("the driver answers");
        let text = answer.body_mut().read_to_string().expect("in text");
        let mut value: Value = serde_json::from_str(&text).expect("in JSON");
        let value = value["value"].take();
        if answer.status().is_success() {
            return Ok(value);
        }
        let words = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Err(Refused { error: words("error"), message: words("message") })
    }

    fn try_post(&self, command: &str, body: &Value) -> Result<Value, Refused> {
        let url = format!("{}{command}", self.session);
        Self::answer(self.agent.post(url).header("content-type", "application/json").send(body.to_string()))
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        self.try_post(command, body).unwrap_or_else(|refused| panic!("{command} {body}: {}: {}", refused.error, refused.message))
    }

    fn get(&self, what: &str) -> Value {
        Self::answer(self.agent.get(format!("{}{what}", self.session)).call())
            .unwrap_or_else(|refused| panic!("{what}: {}: {}", refused.error, refused.message))
    }

    /// A command of the browser's own protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// What the browser wrote to its console since it was last asked.
    pub(crate) fn console(&self) -> Vec<Value> {
        self.post("/se/log", &json!({ "type": "browser" })).as_array().cloned().unwrap_or_default()
    }

    /// Runs a script in the page, outside its policy, and returns what it returns.
    pub(crate) fn script(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// The same for a script that calls its last argument when it is done.
    pub(crate) fn script_with_callback(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("/execute/async", &json!({ "script": script, "args": arguments }))
    }

    pub(crate) fn picture(&self) -> Vec<u8> {
        let picture = self.get("/screenshot");
        data_encoding::BASE64.decode(picture.as_str().expect("a picture").as_bytes()).expect("in base64")
    }

    // ── Where one is ────────────────────────────────────────────────────────

    /// A screen of this size, whatever the window's smallest size is.
    pub(crate) fn screen(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// By daylight (`light`) or lamplight (`dark`); without motion, so that no colour is looked at while it changes.
    pub(crate) fn theme(&self, name: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": name }, { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    pub(crate) fn go(&self, path: &str) {
        self.post("/url", &json!({ "url": format!("{}{path}", self.home) }));
    }

    /// Path, query and fragment of where one is.
    pub(crate) fn place(&self) -> String {
        let url = self.get("/url");
        let url = url.as_str().unwrap_or_default();
        url.strip_prefix(&self.home).unwrap_or(url).to_owned()
    }

    pub(crate) fn back(&self) {
        self.post("/back", &json!({}));
    }

    pub(crate) fn forward(&self) {
        self.post("/forward", &json!({}));
    }

    /// Waits until `holds`.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "waited in vain at {} for: {what}\nthe page:\n{}", self.place(), self.words("body"));
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Waits until the page's title says this.
    #[track_caller]
    pub(crate) fn arrive(&self, title: &str) {
        let full = format!("{title} · Lectern");
        self.until(&format!("the title {full:?}"), || self.get("/title") == full.as_str());
    }

    /// Waits until the path, query and fragment are these.
    #[track_caller]
    pub(crate) fn arrive_at(&self, place: &str) {
        self.until(&format!("the place {place}"), || self.place() == place);
    }

    // ── What is there ───────────────────────────────────────────────────────

    fn found(&self, using: &str, selector: &str) -> Vec<String> {
        let found = self.try_post("/elements", &json!({ "using": using, "value": selector })).unwrap_or(Value::Null);
        found.as_array().into_iter().flatten().filter_map(|element| element[ELEMENT].as_str()).map(str::to_owned).collect()
    }

    /// How many there are now, without waiting.
    pub(crate) fn count(&self, css: &str) -> usize {
        self.found("css selector", css).len()
    }

    #[track_caller]
    fn element(&self, css: &str) -> String {
        self.until(css, || self.count(css) > 0);
        self.found("css selector", css).into_iter().next().unwrap_or_else(|| panic!("{css} went away again at {}", self.place()))
    }

    /// The words of the first such element as they are shown, or nothing when there is none.
    pub(crate) fn words(&self, css: &str) -> String {
        let Some(element) = self.found("css selector", css).into_iter().next() else { return String::new() };
        Self::answer(self.agent.get(format!("{}/element/{element}/text", self.session)).call())
            .ok()
            .and_then(|words| words.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Waits until the first such element has these words in it.
    #[track_caller]
    pub(crate) fn read(&self, css: &str, words: &str) {
        self.until(&format!("{words:?} in {css}"), || self.words(css).contains(words));
    }

    #[track_caller]
    pub(crate) fn attribute(&self, css: &str, name: &str) -> Option<String> {
        let element = self.element(css);
        self.get(&format!("/element/{element}/attribute/{name}")).as_str().map(str::to_owned)
    }

    // ── What one does ───────────────────────────────────────────────────────

    #[track_caller]
    fn click_element(&self, element: &str, called: &str) {
        if let Err(refused) = self.try_post(&format!("/element/{element}/click"), &json!({})) {
            panic!("{called} cannot be clicked at {}: {}: {}", self.place(), refused.error, refused.message);
        }
    }

    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        let element = self.element(css);
        self.click_element(&element, css);
    }

    /// A link by its words.
    #[track_caller]
    pub(crate) fn follow(&self, words: &str) {
        self.until(&format!("a link {words:?}"), || !self.found("link text", words).is_empty());
        let links = self.found("link text", words);
        self.click_element(links.first().expect("it was there"), words);
    }

    /// A link within an element, by words in it.
    #[track_caller]
    pub(crate) fn follow_in(&self, css: &str, words: &str) {
        let class = css.trim_start_matches('.');
        let path = format!("//*[contains(concat(' ', @class, ' '), ' {class} ')]//a[contains(., '{words}')]");
        self.until(&format!("a link {words:?} in {css}"), || !self.found("xpath", &path).is_empty());
        let links = self.found("xpath", &path);
        self.click_element(links.first().expect("it was there"), words);
    }

    /// A button by its words.
    #[track_caller]
    pub(crate) fn push(&self, words: &str) {
        let path = format!("//*[self::button or self::summary][normalize-space(.)='{words}']");
        self.until(&format!("a button {words:?}"), || !self.found("xpath", &path).is_empty());
        let buttons = self.found("xpath", &path);
        self.click_element(buttons.first().expect("it was there"), words);
    }

    /// Types into a field, instead of what is there.
    #[track_caller]
    pub(crate) fn fill(&self, css: &str, words: &str) {
        let element = self.element(css);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({ "text": words }));
    }

    /// Chooses the option of a select that has these words.
    #[track_caller]
    pub(crate) fn choose(&self, css: &str, words: &str) {
        self.element(css);
        let chosen = self.script(
            "const [css, words] = arguments; const select = document.querySelector(css);
             const option = [...select.options].find((option) => option.text.includes(words)); if (!option) return false;
             select.value = option.value; select.dispatchEvent(new Event('change', { bubbles: true })); return true;",
            &[json!(css), json!(words)],
        );
        assert_eq!(chosen, json!(true), "{css} has no option {words:?}: {}", self.words(css));
    }

    /// Sets a date as the browser's own calendar would; how one is typed depends on the browser's language.
    #[track_caller]
    pub(crate) fn set_date(&self, css: &str, date: &str) {
        self.element(css);
        self.script("document.querySelector(arguments[0]).value = arguments[1]", &[json!(css), json!(date)]);
    }

    /// A key, or several one after another.
    pub(crate) fn press(&self, keys: &[&str]) {
        let strokes = keys.iter().flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]);
        self.act(&json!([{ "type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>() }]));
    }

    pub(crate) fn type_words(&self, words: &str) {
        let keys: Vec<String> = words.chars().map(String::from).collect();
        self.press(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    }

    pub(crate) fn shift_tab(&self) {
        self.act(&json!([{ "type": "key", "id": "keyboard", "actions": [
            { "type": "keyDown", "value": SHIFT }, { "type": "keyDown", "value": TAB },
            { "type": "keyUp", "value": TAB }, { "type": "keyUp", "value": SHIFT },
        ]}]));
    }

    /// Whether what has the focus is such an element.
    pub(crate) fn focused(&self, css: &str) -> bool {
        self.script("return document.activeElement.matches(arguments[0])", &[json!(css)]) == json!(true)
    }

    /// Presses Tab until the focus is at such an element, and sees to it that it shows.
    #[track_caller]
    pub(crate) fn tab_to(&self, css: &str) {
        self.until(css, || self.count(css) > 0);
        for _ in 0..STOPS {
            if self.focused(css) {
                return self.see_focus();
            }
            self.press(&[TAB]);
        }
        panic!("{css} cannot be reached by Tab at {}", self.place());
    }

    /// What has the focus shows it, within what can be seen.
    #[track_caller]
    pub(crate) fn see_focus(&self) {
        let seen = self.script(
            "const style = getComputedStyle(document.activeElement); const box = document.activeElement.getBoundingClientRect();
             return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.bottom > 0 && box.top < innerHeight
               || document.activeElement.outerHTML.slice(0, 200);",
            &[],
        );
        assert_eq!(seen, json!(true), "the focus cannot be seen at {}", self.place());
    }

    #[track_caller]
    pub(crate) fn shift_click(&self, css: &str) {
        let element = self.element(css);
        let mut origin = serde_json::Map::new();
        origin.insert(ELEMENT.to_owned(), json!(element));
        self.act(&json!([
            { "type": "key", "id": "keyboard", "actions": [
                { "type": "keyDown", "value": SHIFT }, { "type": "pause" }, { "type": "pause" }, { "type": "pause" },
                { "type": "keyUp", "value": SHIFT },
            ]},
            { "type": "pointer", "id": "mouse", "actions": [
                { "type": "pause" }, { "type": "pointerMove", "duration": 0, "origin": origin, "x": 0, "y": 0 },
                { "type": "pointerDown", "button": 0 }, { "type": "pointerUp", "button": 0 }, { "type": "pause" },
            ]},
        ]));
    }

    fn act(&self, actions: &Value) {
        self.post("/actions", &json!({ "actions": actions }));
    }

    /// Goes to the door and in.
    #[track_caller]
    pub(crate) fn sign_in(&self, person: &Person) {
        self.go("/sign-in");
        self.fill("#email", &person.email);
        self.fill("#password", &person.password);
        self.click("form[action='/sign-in'] button");
        self.until("the desk", || self.place() == "/" && self.count(".who") == 1);
    }

    #[track_caller]
    pub(crate) fn sign_out(&self) {
        self.push("Sign out");
        self.arrive("Signed out");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The driver and the browser on this machine.
fn programs() -> Option<(PathBuf, PathBuf)> {
    let driver = program("CHROMEDRIVER", &["chromedriver"]);
    let chromium = program("CHROMIUM", &["chromium", "chromium-browser", "google-chrome"]);
    if let (Some(driver), Some(chromium)) = (driver, chromium) {
        return Some((driver, chromium));
    }
    let sentence = "there is no chromium with its chromedriver on the path; CHROMIUM and CHROMEDRIVER may name them";
    assert!(env::var_os("LECTERN_REQUIRE_BROWSER").is_none_or(|value| value == "0"), "{sentence}");
    eprintln!("left out: {sentence}");
    None
}

fn program(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let path = env::var_os("PATH")?;
    let is_there = |candidate: &PathBuf| Path::is_file(candidate);
    names.iter().find_map(|name| env::split_paths(&path).map(|directory| directory.join(name)).find(is_there))
}

/// The port that the driver took, from what it says when it has started.
fn port(driver: &mut Child) -> u16 {
    let said = BufReader::new(driver.stdout.take().expect("its output is piped"));
    let (say, heard) = mpsc::channel();
    thread::spawn(move || {
        for line in said.lines().map_while(Result::ok) {
            let _ = say.send(line);
        }
    });
    loop {
        let line = heard.recv_timeout(PATIENCE).expect("the driver says where it listens");
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().expect("a port");
        }
    }
}
