// Keys of a comparison: from change to change, and from file to file. The switch for single keys is that of keys.js.
import { minimapOfRows } from "./minimap.js";

const source = document.querySelector(".diff");

// The change at or behind the middle of what is seen, when nothing is focused yet.
function step(way) {
  const all = [...document.querySelectorAll("[data-change]")];
  if (all.length === 0) return;
  const at = document.activeElement?.closest?.("[data-change]");
  let next = at ? all.indexOf(at) + way : -1;
  if (!at) {
    const top = source.getBoundingClientRect().top;
    const here = all.findIndex((row) => row.getBoundingClientRect().top > top + 8);
    next = way > 0 ? Math.max(here, 0) : here < 0 ? all.length - 1 : here - 1;
    if (way > 0 && here < 0) next = all.length - 1;
  }
  const row = all[Math.max(0, Math.min(next, all.length - 1))];
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "center", inline: "nearest" });
}

const ACTIONS = {
  n: () => source && step(1),
  p: () => source && step(-1),
  j: () => document.querySelector('.comparing [rel="next"]')?.click(),
  k: () => document.querySelector('.comparing [rel="prev"]')?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !document.documentElement.classList.contains("keys-on")) return;
  const target = event.target;
  if (target instanceof Element && target.closest("input, textarea, select, dialog, [contenteditable]")) return;
  if (Object.hasOwn(ACTIONS, event.key)) ACTIONS[event.key]();
});

// Side by side a row may have both: what is there now counts.
const has = (row, sign) => row.classList.contains(sign) || row.querySelector(`:scope > p.${sign}`) !== null;
if (source) minimapOfRows(source, (row) => ["add", "del"].find((sign) => has(row, sign)));
