// Single keys for the reading room. They can be switched off, and the choice is kept in this browser.
const STORE = "lectern.keys";
const MOVES = new Set(["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End", " "]);

const stored = () => {
  try {
    return localStorage.getItem(STORE) !== "off";
  } catch {
    return true; // Storage may be forbidden; the keys then work for this page.
  }
};

let on = stored();
const show = () => document.documentElement.classList.toggle("keys-on", on);

function setKeys(wanted) {
  on = wanted;
  try {
    localStorage.setItem(STORE, on ? "on" : "off");
  } catch {
    // Nothing to keep it in.
  }
  show();
  for (const box of document.querySelectorAll("input[data-keys]")) box.checked = on;
}

// An element with properties and children; no markup is ever parsed.
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function keysBox() {
  const box = make("input", { type: "checkbox", checked: on });
  box.dataset.keys = "";
  box.addEventListener("change", () => setKeys(box.checked));
  return make("label", { className: "check" }, box, "Use single keys in this browser");
}

function open(dialog) {
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function sheet(title, ...children) {
  const heading = make("h2", { id: "sheet-title" }, title);
  const dialog = make("dialog", { className: "sheet" }, heading, ...children);
  dialog.setAttribute("aria-labelledby", heading.id);
  return dialog;
}

const close = (dialog, words) => {
  const button = make("button", { type: "button", className: "btn" }, words);
  button.addEventListener("click", () => dialog.close());
  return button;
};

const find = () => document.querySelector("[data-find]") ?? document.querySelector("#query, #desk-q");
const finder = () => document.querySelector('[data-key="t"]');
const source = () => document.querySelector("#source");
const act = (key) => document.querySelector(`.acts [data-key="${key}"]`);
const changes = () => document.querySelector(".diff");
const results = () => document.querySelector(".hitlist .hits");

// From one result to another: `way` is 1 or -1.
function step(selector, way) {
  const all = [...document.querySelectorAll(selector)].filter((link) => link.checkVisibility());
  const at = document.activeElement;
  const here = all.findIndex((link) => link === at);
  let next = here + way;
  if (here < 0) {
    // The first that stands behind the place where one is, or the last before it.
    const behind = all.findIndex((link) => (at.compareDocumentPosition(link) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0);
    if (at === document.body || behind < 0) next = way > 0 ? 0 : all.length - 1;
    else next = way > 0 ? behind : behind - 1;
  }
  const link = all[Math.max(0, Math.min(next, all.length - 1))];
  link?.focus();
  link?.scrollIntoView({ block: "nearest" });
}

const FILES = ".hitlist .hits h2 a";
const LINES = ".hitlist .hits .lines > div:not(.context) > a";

function help() {
  const rows = [
    find() && ["/", "Go to the search box"],
    finder() && ["t", "Find a file by its name"],
    results() && ["j k", "Next and previous file with results; Enter opens it"],
    results() && ["n p", "Next and previous matching line"],
    (stops() || changes()) && ["n p", "Next and previous change"],
    document.querySelector(".comparing") && ["j k", "Next and previous file or page"],
    source() && !stops() && !changes() && ["n p", "Next and previous hit: of what was searched for, of the word clicked, of what changed, or of what hides"],
    source() && !changes() && ["l", "Go to a line or a range of lines"],
    source() && !changes() && ["z", "Fold or unfold the block at the line picked"],
    source() && !changes() && ["m", "Go to the bracket that matches the one clicked"],
    document.querySelector("form[data-symbols]") && ["d", "Look up a symbol: the one selected, or on the line picked"],
    picked("s") && ["s", "Search for the text of the lines picked"],
    act("b") && ["b", "Who last changed each line"],
    act("h") && ["h", "The history of this place"],
    ["y", "Copy the address of this place, with its lines; a version’s address never moves"],
    ["?", "Show these keys"],
  ].filter(Boolean);
  const list = make("dl", {}, ...rows.flatMap(([key, words]) => [make("dt", {}, ...key.split(" ").map((one) => make("kbd", {}, one))), make("dd", {}, words)]));
  const dialog = sheet("Keys", list, keysBox());
  dialog.append(make("div", { className: "acts-row" }, close(dialog, "Close")));
  open(dialog);
}

function goToLine() {
  const input = make("input", { id: "line", inputMode: "numeric", autocomplete: "off", required: true, pattern: "\\s*[0-9]+\\s*(-\\s*[0-9]+\\s*)?", title: "A line number, or two with a dash between them" });
  const form = make("form", { method: "dialog" },
    make("div", { className: "field" }, make("label", { htmlFor: "line" }, "Line, or first and last line"), input));
  const dialog = sheet("Go to line", form);
  form.append(make("div", { className: "acts-row" }, close(dialog, "Leave it"), make("button", { className: "btn main" }, "Go")));
  form.addEventListener("submit", () => {
    const [first, last] = input.value.split("-").map((part) => Number.parseInt(part, 10));
    const wanted = last ? `#L${first}-L${last}` : `#L${first}`;
    if (location.hash === wanted) dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = wanted;
  });
  open(dialog);
}

function say(words) {
  document.querySelector("#said")?.remove();
  const note = make("div", { id: "said", className: "picked said" }, words);
  note.setAttribute("role", "status");
  document.body.append(note);
  setTimeout(() => note.remove(), 4000);
}

// A version stands for one commit for good, so the address of a place in it is permanent as it is; what was searched for is left out.
async function copyPlace() {
  const inVersion = /^\/p\/[^/]+\/[^/]+\/(file|tree|blame|history)\//.test(location.pathname);
  const kept = new URLSearchParams(location.search);
  if (inVersion) for (const name of ["q", "from"]) kept.delete(name);
  const query = kept.size > 0 ? `?${kept}` : "";
  const commit = document.querySelector("[data-commit]")?.dataset.commit;
  try {
    await navigator.clipboard.writeText(`${location.origin}${location.pathname}${query}${location.hash}`);
    say(inVersion && commit ? `Copied. This address always shows commit ${commit.slice(0, 12)}: a version never moves.` : "The address of this place is copied.");
  } catch {
    say("The browser does not allow copying here. The address stands in its address bar.");
  }
}

// What `n` and `p` stop at on pages that say so themselves, such as changes.
const STOPS = "[data-stop]";
const stops = () => document.querySelector(STOPS);

function go(way) {
  if (results()) step(LINES, way);
  else if (stops()) step(STOPS, way);
  else document.dispatchEvent(new CustomEvent("lectern:step", { detail: way }));
}

// Where lines are picked, it is about these lines.
const picked = (key) => document.querySelector(`.picked [data-key="${key}"]`);
const follow = (key) => (picked(key) ?? act(key))?.click();

// What was searched for goes along to the file, where it is marked and `n` and `p` walk through it.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest('.hitlist .hits a[href*="/file/"]') : null;
  const asked = new URLSearchParams(location.search).get("q");
  if (!link || !asked) return;
  const address = new URL(link.href);
  address.searchParams.set("q", asked);
  link.href = `${address.pathname}${address.search}${address.hash}`;
}, { capture: true });

const ACTIONS = {
  "/": () => find()?.focus(),
  t: () => finder()?.click(),
  j: () => results() && step(FILES, 1),
  k: () => results() && step(FILES, -1),
  n: () => go(1),
  p: () => go(-1),
  b: () => follow("b"),
  h: () => follow("h"),
  s: () => picked("s")?.click(),
  z: () => document.dispatchEvent(new CustomEvent("lectern:fold-here")),
  m: () => document.dispatchEvent(new CustomEvent("lectern:bracket")),
  l: () => source() && goToLine(),
  y: copyPlace,
  "?": help,
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target instanceof Element && target.closest("input, textarea, select, dialog, [contenteditable]")) return;
  // The source scrolls in its own pane; without this the keys that scroll would do nothing until it is focused.
  if (MOVES.has(event.key) && target === document.body) {
    document.querySelector("#source, .leafscroll, .hex")?.focus({ preventScroll: true });
    return;
  }
  if (!on || !Object.hasOwn(ACTIONS, event.key)) return;
  event.preventDefault();
  ACTIONS[event.key]();
});

// What is open closes when one goes on: a drawer at a link within the page, the version menu at a click beside it or at Escape.
addEventListener("hashchange", () => {
  for (const pane of document.querySelectorAll(".pane[popover]")) {
    try {
      pane.hidePopover();
    } catch {
      // It was not open, or this browser has no popovers.
    }
  }
});
const menus = () => document.querySelectorAll("details.picker[open]");
document.addEventListener("click", (event) => {
  for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

const setting = document.querySelector("[data-keys-setting]");
if (setting) {
  const button = make("button", { type: "button", className: "btn" }, "Show the keys");
  button.addEventListener("click", help);
  setting.append(keysBox(), button);
  setting.hidden = false;
}
for (const button of document.querySelectorAll("[data-keys-help]")) {
  button.hidden = false;
  button.addEventListener("click", help);
}
show();
