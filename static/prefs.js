// How one likes to read: lines wrapped, the width of a tab. Kept in this browser, and applied before the page is painted.
const STORE = "lectern.reading";
const root = document.documentElement;
const TABS = ["2", "4", "8"];

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? "{}") ?? {};
  } catch {
    return {}; // Nothing to read it from, or not ours.
  }
}

const kept = stored();
const is = (name) => kept[name] === true;

function apply() {
  root.classList.toggle("wrap", is("wrap"));
  root.classList.toggle("spaces", is("spaces"));
  root.classList.toggle("no-scopes", is("noScopes"));
  for (const width of TABS) root.classList.toggle(`tab${width}`, kept.tab === width);
}

function keep(name, value) {
  kept[name] = value;
  try {
    localStorage.setItem(STORE, JSON.stringify(kept));
  } catch {
    // It then holds for this page.
  }
  apply();
  document.dispatchEvent(new CustomEvent("lectern:reading"));
}

apply();

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function box(name, words) {
  const input = make("input", { type: "checkbox", checked: is(name) });
  input.addEventListener("change", () => keep(name, input.checked));
  return make("label", { className: "check" }, input, words);
}

function menu(holder) {
  const tabs = make("select", { id: "tab-width" }, ...TABS.map((width) => make("option", { value: width, selected: width === (kept.tab ?? "8") }, width)));
  tabs.addEventListener("change", () => keep("tab", tabs.value));
  const folds = [["Fold all", "lectern:fold"], ["Unfold all", "lectern:unfold"]].map(([words, name]) => {
    const button = make("button", { type: "button", className: "btn" }, words);
    button.addEventListener("click", () => document.dispatchEvent(new CustomEvent(name)));
    return button;
  });
  const note = make("p", {}, "Kept in this browser.");
  const scopes = box("noScopes", "No scope lines at the top");
  const panel = make("div", { className: "menu" },
    box("wrap", "Wrap long lines"), box("spaces", "Show spaces and tabs"), scopes,
    make("label", { className: "check", htmlFor: "tab-width" }, tabs, "columns to a tab"), make("div", { className: "acts-row" }, ...folds), note);
  const details = make("details", { className: "picker view" }, make("summary", {}, "View"), panel);
  holder.append(details);
  holder.hidden = false;
}

function begin() {
  for (const holder of document.querySelectorAll("[data-view-menu]")) menu(holder);
  // What the tree remembers are names of directories: they go when nobody is signed in.
  if (document.querySelector(".who")) return;
  try {
    sessionStorage.clear();
  } catch {
    // Nothing was kept then.
  }
}

if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin);
else begin();
