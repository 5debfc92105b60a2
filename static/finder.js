// The file finder as a dialog (ARIA 1.2 combobox with a list). It names files, so it asks for nothing before something is typed, and once a
// pause in typing; each answer is recorded. Without this script the link that opens it leads to the finder's page.
import { ask } from "./ask.js";

const PAUSE = 150;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function openFinder(address) {
  const heading = make("h2", { id: "finder-title" }, "Find a file");
  const input = make("input", { id: "finder-input", type: "text", autocomplete: "off", spellcheck: false, placeholder: "Letters of its name or path, and :120 for a line" });
  const list = make("ul", { id: "finder-list", className: "foundfiles", hidden: true });
  const note = make("div", { className: "findernote" }, "Nothing is looked up, and nothing recorded, before you type.");
  const said = make("span", { className: "unseen" });
  const dialog = make("dialog", { className: "sheet findersheet" }, heading, input, list, note, said);
  dialog.setAttribute("aria-labelledby", heading.id);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id], ["aria-label", "Letters of a file’s name or path"]]) {
    input.setAttribute(name, value);
  }
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Files");
  said.setAttribute("role", "status");

  let active = 0;
  let timer = 0;
  let asking = null;
  let current = "";
  let go = false;

  const options = () => [...list.children];
  const target = () => options()[active]?.dataset.href;

  function point(to) {
    const all = options();
    if (all.length === 0) return;
    active = (to + all.length) % all.length;
    for (const [place, option] of all.entries()) option.setAttribute("aria-selected", String(place === active));
    input.setAttribute("aria-activedescendant", all[active].id);
    all[active].scrollIntoView({ block: "nearest" });
  }

  function follow(event) {
    const href = target();
    if (!href) return;
    if (event?.ctrlKey || event?.metaKey) window.open(href, "_blank", "noopener");
    else location.assign(href);
    dialog.close();
  }

  function show(part) {
    const rows = [...part.querySelectorAll(".foundfiles a")].map((link, place) => {
      const row = make("li", { id: `finder-${place}` }, ...link.childNodes);
      row.dataset.href = link.getAttribute("href");
      row.setAttribute("role", "option");
      row.addEventListener("pointerdown", (event) => event.preventDefault());
      row.addEventListener("click", (event) => {
        active = place;
        follow(event);
      });
      return row;
    });
    list.replaceChildren(...rows);
    list.hidden = rows.length === 0;
    input.setAttribute("aria-expanded", String(rows.length > 0));
    input.removeAttribute("aria-activedescendant");
    note.replaceChildren(...part.querySelectorAll(".why, .foundnote"));
    said.textContent = rows.length === 0 ? "No file" : `${rows.length} files`;
    point(0);
    if (go) follow();
  }

  async function look() {
    const text = input.value;
    current = text;
    asking?.abort();
    if (text.trim() === "") {
      list.replaceChildren();
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      note.replaceChildren();
      return;
    }
    asking = new AbortController();
    try {
      const part = await ask(`${address}?q=${encodeURIComponent(text)}`, "list", asking.signal);
      if (dialog.open && input.value === text) show(part);
    } catch {
      if (dialog.open && input.value === text) note.replaceChildren("Files could not be looked up. Open the page anew, and try again.");
    }
  }

  input.addEventListener("input", () => {
    go = false;
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") point(active + 1);
    else if (event.key === "ArrowUp") point(active - 1);
    else if (event.key === "Enter") {
      // Whoever types quickly gets the first file of the answer that is on its way.
      if (current === input.value && options().length > 0) follow(event);
      else if (input.value.trim() !== "") {
        go = true;
        clearTimeout(timer);
        look();
      }
    } else return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    clearTimeout(timer);
    asking?.abort();
    dialog.remove();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
}

for (const link of document.querySelectorAll("a.finder")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    try {
      document.querySelector("#files")?.hidePopover();
    } catch {
      // It is no drawer here.
    }
    openFinder(link.getAttribute("href"));
  });
}
