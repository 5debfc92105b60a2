//! What must hold of every page, whoever sees it: no violation that axe-core knows of, in light and in dark, wide and narrow; no
//! sideways scroll at any width; no words cut off; no error and no warning in the browser's console.

use serde_json::Value;

use crate::browser::Browser;
use crate::portal::Portal;

/// axe-core 4.14.1, as published; see `axe/README.md`.
const AXE: &str = include_str!("axe/axe.min.js");

const RUN_AXE: &str = "
const done = arguments[arguments.length - 1];
axe.run(document, {
  resultTypes: ['violations'],
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  rules: { 'target-size': { enabled: true } },
}).then((results) => done(results.violations.map((violation) => ({
  rule: violation.id, help: violation.help,
  nodes: violation.nodes.slice(0, 5).map((node) => node.html.slice(0, 200) + '\\n      ' + node.failureSummary.replace(/\\n\\s*/g, ' ')),
}))), (cause) => done([{ rule: 'axe itself', help: String(cause), nodes: [] }]));";

/// Elements that stick out to the right of the page, outside of anything that scrolls by itself.
const STICKING_OUT: &str = "
const root = document.scrollingElement; if (root.scrollWidth <= window.innerWidth) return [];
return [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > window.innerWidth + 0.5)
  .slice(0, 8).map((element) => element.outerHTML.slice(0, 160));";

/// Words that something around them cuts, above or below, left or right. What scrolls shows the rest, an ellipsis says that there is more,
/// and of long source the beginning stands for the rest.
const CUT: &str = "
const styles = new Map();
const style = (element) => styles.get(element) ?? styles.set(element, getComputedStyle(element)).get(element);
const cuts = (flow) => flow === 'hidden' || flow === 'clip';
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
  node instanceof Element && (node.matches('.stretch:not(:first-child), .unseen, svg, option, textarea, script, style') || !node.checkVisibility({ visibilityProperty: true }))
    ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
const found = [];
while (walker.nextNode() && found.length < 8) {
  const text = walker.currentNode;
  if (text.nodeType !== Node.TEXT_NODE || text.data.trim() === '') continue;
  const range = document.createRange();
  range.selectNodeContents(text);
  const rects = [...range.getClientRects()].filter((rect) => rect.width > 0 && rect.height > 0);
  if (rects.length === 0) continue;
  let [across, down] = [true, true];
  for (let around = text.parentElement; around && around !== document.body && (across || down); around = around.parentElement) {
    const own = style(around);
    const box = around.getBoundingClientRect();
    // Words for those who listen only.
    if (box.width <= 2 && box.height <= 2) break;
    if (own.textOverflow === 'ellipsis') across = false;
    if (own.webkitLineClamp !== 'none') down = false;
    const spare = Number.parseFloat(style(text.parentElement).fontSize) / 5;
    const x = across && cuts(own.overflowX) && rects.some((rect) => rect.left < box.left - 1 || rect.right > box.right + 1);
    const y = down && cuts(own.overflowY) && rects.some((rect) => rect.top < box.top - spare || rect.bottom > box.bottom + spare);
    if (x || y) {
      found.push(`${JSON.stringify(text.data.trim().slice(0, 60))} is cut by ${around.cloneNode(false).outerHTML.slice(0, 160)}`);
      break;
    }
    if (!cuts(own.overflowX) && own.overflowX !== 'visible') across = false;
    if (!cuts(own.overflowY) && own.overflowY !== 'visible') down = false;
    if (own.position === 'fixed') break;
  }
}
for (const button of document.querySelectorAll('button, summary, select')) {
  if (button.checkVisibility() && button.clientWidth > 2 && (button.scrollWidth > button.clientWidth + 1 || button.scrollHeight > button.clientHeight + 4))
    found.push(`${button.textContent.trim().slice(0, 60)} does not fit: ${button.cloneNode(false).outerHTML.slice(0, 160)}`);
}
return found;";

/// Both sides of every change of the layout, and the widest.
const WIDTHS: [u32; 12] = [390, 480, 720, 721, 900, 901, 1199, 1200, 1360, 1440, 1920, 2560];

/// What a page may say in the console.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Console {
    Nothing,
    /// The browser notes the status of a page that was not answered with 200.
    ItsStatus(u16),
}

impl Browser {
    /// Inspects the page that one is at.
    #[track_caller]
    pub(crate) fn inspect(&self) {
        self.inspect_page(Console::Nothing);
    }

    /// The same for a page that is answered with an error.
    #[track_caller]
    pub(crate) fn inspect_error(&self, status: u16) {
        self.inspect_page(Console::ItsStatus(status));
    }

    #[track_caller]
    fn inspect_page(&self, console: Console) {
        let faults = self.faults(console);
        assert!(faults.is_empty(), "{}:\n  {}", self.place(), faults.join("\n  "));
    }

    fn faults(&self, console: Console) -> Vec<String> {
        let mut faults = Vec::new();
        self.script(AXE, &[]);
        for theme in ["light", "dark"] {
            self.theme(theme);
            for width in [1440, 390] {
                self.screen(width, 900);
                for violation in self.script_with_callback(RUN_AXE, &[]).as_array().into_iter().flatten() {
                    let nodes: Vec<&str> = violation["nodes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    faults.push(format!("{theme} {width}: {}: {}\n    {}", violation["rule"], violation["help"], nodes.join("\n    ")));
                }
                for element in self.script(CUT, &[]).as_array().into_iter().flatten() {
                    faults.push(format!("{theme} {width}: {element}"));
                }
            }
        }
        self.theme("light");
        for width in WIDTHS {
            self.screen(width, 900);
            for element in self.script(STICKING_OUT, &[]).as_array().into_iter().flatten() {
                faults.push(format!("at {width} the page scrolls sideways: {element}"));
            }
        }
        self.screen(1440, 900);
        for entry in self.console() {
            let message = entry["message"].as_str().unwrap_or_default();
            let its_status = matches!(console, Console::ItsStatus(status)
                if message.contains("Failed to load resource") && message.contains(&format!("status of {status}")));
            // Chromium also notes things that went as they should.
            let is_trouble = matches!(entry["level"].as_str(), Some("WARNING" | "SEVERE"));
            if is_trouble && !its_status {
                faults.push(format!("in the console: {message}"));
            }
        }
        faults
    }
}

/// An inspection that finds nothing says something only if it would find what is wrong.
#[test]
fn what_is_wrong_is_found() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.go("/sign-in");
    browser.arrive("Sign in");
    for (spoil, found) in [
        ("document.querySelector('#email').labels[0].remove()", "\"label\""),
        ("document.querySelector('.creed p').style.color = 'light-dark(#ddd, #444)'", "dark 390: \"color-contrast\""),
        ("document.querySelector('main').style.width = '2600px'", "at 390 the page scrolls sideways"),
        (
            "document.querySelector('.creed p').setAttribute('class', 'cut'); const sheet = new CSSStyleSheet(); \
          sheet.replaceSync('.cut { height: 8px; overflow: hidden }'); document.adoptedStyleSheets = [sheet]",
            "is cut by <p class=\\\"cut\\\">",
        ),
        ("document.body.setAttribute('style', 'color: red')", "in the console"),
        ("console.error('something went wrong')", "something went wrong"),
    ] {
        browser.go("/sign-in");
        browser.script(spoil, &[]);
        let faults = browser.faults(Console::Nothing);
        assert!(faults.iter().any(|fault| fault.contains(found)), "{spoil}: {faults:?}");
    }
    browser.go("/sign-in");
    assert_eq!(browser.faults(Console::Nothing), Vec::<String>::new());
}
