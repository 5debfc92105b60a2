// A long file scrolls as one: what is not here yet has its room, and its lines are asked for when the reader comes near and stays. Each part
// is recorded as the lines it shows. Without this script the links to the next and the previous piece stay.
import { ask } from "./ask.js";

const NEAR = 1500; // Pixels above and below what is seen.
const STAY = 120; // Milliseconds: what is only passed on the way is not asked for.
const source = document.querySelector("#source");
const lines = source?.querySelector(".lines");
const number = (name) => Number(source.dataset[name]);

if (lines && (number("first") > 1 || number("last") < number("of"))) {
  const size = number("partLines");
  const height = Number.parseFloat(getComputedStyle(source).lineHeight);
  // In one narrow column the page scrolls, else the source in its pane.
  const wide = matchMedia("(min-width: 901px)");
  const waiting = new Map();
  let loading = Promise.resolve();

  function gap(from, to) {
    const room = document.createElement("div");
    room.className = "unsent";
    room.dataset.from = from;
    room.dataset.to = to;
    room.style.height = `${(to - from + 1) * height}px`;
    return room;
  }

  function gaps(first, last) {
    const rooms = [];
    for (let from = first; from <= last;) {
      const to = Math.min(last, Math.ceil(from / size) * size);
      rooms.push(gap(from, to));
      from = to + 1;
    }
    return rooms;
  }

  function told(part, from, to) {
    const seal = document.querySelector(".filehead .seal");
    if (!seal) return;
    let note = document.querySelector("#further");
    if (!note) {
      note = document.createElement("a");
      note.id = "further";
      note.className = "further num";
      seal.after(note);
    }
    note.href = `/transparency/receipt/${part.dataset.entry}`;
    note.textContent = `lines ${from.toLocaleString("en")} to ${to.toLocaleString("en")} as entry ${Number(part.dataset.entry).toLocaleString("en")}`;
  }

  async function fill(room) {
    if (!room.isConnected) return;
    const [from, to] = [Number(room.dataset.from), Number(room.dataset.to)];
    try {
      const part = await ask(`${location.pathname}?from=${from}`, "lines");
      for (const row of part.querySelectorAll(".stretch > div")) {
        const at = Number(row.id.slice(1));
        // A piece need not end where a part does.
        if (at < from || at > to) row.remove();
      }
      const blocks = [...part.children].filter((block) => block.childElementCount > 0);
      watcher?.unobserve(room);
      room.replaceWith(...blocks);
      told(part, from, to);
      source.dispatchEvent(new CustomEvent("lectern:lines", { detail: { from, to } }));
    } catch {
      waiting.delete(room);
      room.classList.add("failed");
      room.textContent = "These lines could not be read. Scroll away and back to try again.";
    }
  }

  // One after the other, so that what comes first is shown first.
  function load(room) {
    loading = loading.then(() => fill(room));
    return loading;
  }

  let watcher = null;
  function watch() {
    watcher?.disconnect();
    for (const timer of waiting.values()) clearTimeout(timer);
    waiting.clear();
    watcher = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        clearTimeout(waiting.get(target));
        waiting.delete(target);
        if (isIntersecting) waiting.set(target, setTimeout(() => load(target), STAY));
      }
    }, { root: wide.matches ? source : null, rootMargin: `${NEAR}px 0px` });
    for (const room of lines.querySelectorAll(".unsent")) watcher.observe(room);
  }
  wide.addEventListener("change", watch);

  const before = gaps(1, number("first") - 1);
  const behind = gaps(number("last") + 1, number("of"));
  const at = source.scrollTop;
  lines.prepend(...before);
  lines.append(...behind);
  // What stood at the top stays where it was; an address that names a line is followed by who reads it.
  if (before.length > 0 && !location.hash) source.scrollTop = at + (number("first") - 1) * height;
  document.documentElement.classList.add("scrolls-on");
  // After the address was followed, so that nothing is asked for where nobody goes.
  requestAnimationFrame(() => requestAnimationFrame(watch));

  // Somebody goes to a line that is not here yet.
  source.addEventListener("lectern:reach", (event) => {
    const wanted = event.detail.line;
    const room = [...lines.querySelectorAll(".unsent")].find((one) => Number(one.dataset.from) <= wanted && wanted <= Number(one.dataset.to));
    if (!room) return;
    event.preventDefault();
    load(room).then(event.detail.then);
  });
}
