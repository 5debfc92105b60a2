// Completion in the search boxes: filters, versions, paths and one's own searches, offered below the box (ARIA 1.2 combobox with a list).
// What it names of the source is recorded like any search, so it is asked for once a pause in typing, never once a key.
const PAUSE = 150;
const MOST = 14;

let counter = 0;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// Positions are counted in characters there, in UTF-16 units here.
const characters = (text) => [...text].length;
const units = (text, count) => [...text].slice(0, count).join("").length;

function complete(input) {
  const id = `complete-${(counter += 1)}`;
  const list = make("ul", { id, className: "complete", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Ways to go on");
  const said = make("span", { className: "unseen" });
  said.setAttribute("role", "status");
  input.after(list, said);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", id);
  input.setAttribute("aria-haspopup", "listbox");

  let answer = null;
  let active = -1;
  let timer = 0;
  let asking = null;
  let asked = null;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const isOpen = () => !list.hidden;

  function close() {
    clearTimeout(timer);
    asking?.abort();
    asking = null;
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function point(to) {
    const all = options();
    active = all.length === 0 ? -1 : (to + all.length) % all.length;
    for (const [place, option] of all.entries()) option.setAttribute("aria-selected", String(place === active));
    if (active < 0) return;
    input.setAttribute("aria-activedescendant", all[active].id);
    all[active].scrollIntoView({ block: "nearest" });
  }

  function show(found) {
    answer = found;
    active = -1;
    input.removeAttribute("aria-activedescendant");
    const items = found.items.slice(0, MOST);
    let group = "";
    const rows = [];
    for (const [place, item] of items.entries()) {
      if (item.group !== group) {
        group = item.group;
        const head = make("li", { className: "group" }, group);
        head.setAttribute("role", "presentation");
        rows.push(head);
      }
      const row = make("li", { id: `${id}-${place}` }, make(item.runs && item.note ? "b" : "code", {}, item.label), make("span", {}, item.note ?? ""));
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", "false");
      row.addEventListener("pointerdown", (event) => event.preventDefault());
      row.addEventListener("click", () => take(place));
      rows.push(row);
    }
    if (found.receipt) {
      const note = make("li", { className: "noted" }, `Names shown here are recorded, as entry ${found.receipt.index.toLocaleString("en")}`);
      note.setAttribute("role", "presentation");
      rows.push(note);
    }
    list.replaceChildren(...rows);
    list.hidden = items.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    said.textContent = items.length === 0 ? "" : `${items.length} ways to go on`;
  }

  async function ask() {
    const caret = characters(input.value.slice(0, input.selectionStart ?? input.value.length));
    const now = `${caret} ${input.value}`;
    if (now === asked && isOpen()) return;
    asked = now;
    asking?.abort();
    asking = new AbortController();
    try {
      const address = `/search/suggest?at=${caret}&q=${encodeURIComponent(input.value)}`;
      const response = await fetch(address, { headers: { accept: "application/json" }, signal: asking.signal });
      if (!response.ok) return close();
      const found = await response.json();
      if (document.activeElement === input && asked === now) show(found);
    } catch {
      // Nobody is told: the box works without it.
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  }

  function take(place) {
    const item = answer?.items[place];
    if (!item) return;
    const from = units(input.value, item.from ?? answer.from);
    const to = units(input.value, item.to ?? answer.to);
    input.value = input.value.slice(0, from) + item.insert + input.value.slice(to);
    const caret = from + item.insert.length;
    input.setSelectionRange(caret, caret);
    close();
    asked = null;
    if (item.runs) input.form.requestSubmit();
    else soon();
  }

  input.addEventListener("input", soon);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    if (!isOpen()) {
      if (event.key === "ArrowDown") {
        event.preventDefault();
        asked = null;
        ask();
      }
      return;
    }
    switch (event.key) {
      case "ArrowDown":
        point(active + 1);
        break;
      case "ArrowUp":
        point(active < 0 ? -1 : active - 1);
        break;
      case "Enter":
        if (active < 0) return close();
        take(active);
        break;
      case "Tab":
        // Without a choice Tab goes on its way.
        if (active < 0 || event.shiftKey) return close();
        take(active);
        break;
      case "Escape":
        close();
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
}

for (const input of document.querySelectorAll('form[action="/search"] input[name="q"]')) complete(input);
