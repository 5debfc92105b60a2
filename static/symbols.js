// A click at a name in the source shows where it is defined. What is shown is asked for then, never before, and recorded like any page.
import { ask } from "./ask.js";

const source = document.querySelector("#source");
const form = document.querySelector("form[data-symbols]");
// A name in any of the languages; what begins with a digit is a number.
const NAME = /[\p{L}_$][\p{L}\p{N}_$]*/gu;
// Comments, strings, numbers and keywords are not names.
const WORDS = ".c, .s, .n, .k";

if (source && form) {
  let panel = null;
  let asking = null;
  let from = null;

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  const bytes = (text) => new TextEncoder().encode(text).length;

  // The name at a place in the text of a line, with its range.
  function nameAt(node, offset) {
    if (node?.nodeType !== Node.TEXT_NODE) return null;
    const line = node.parentElement.closest('.lines div[id^="L"]');
    const text = line?.querySelector(":scope > span");
    if (!text?.contains(node) || node.parentElement.closest(WORDS)) return null;
    for (const found of node.data.matchAll(NAME)) {
      const end = found.index + found[0].length;
      if (offset < found.index || offset > end) continue;
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, end);
      const before = document.createRange();
      before.setStart(text, 0);
      before.setEnd(node, found.index);
      return { name: found[0], range, line, at: `${line.id.slice(1)}:${bytes(before.toString())}` };
    }
    return null;
  }

  function under(x, y) {
    if (document.caretPositionFromPoint) {
      const place = document.caretPositionFromPoint(x, y);
      return place && nameAt(place.offsetNode, place.offset);
    }
    const range = document.caretRangeFromPoint?.(x, y);
    return range ? nameAt(range.startContainer, range.startOffset) : null;
  }

  function selected() {
    const selection = getSelection();
    if (!selection || selection.rangeCount === 0 || !source.contains(selection.focusNode)) return null;
    return nameAt(selection.anchorNode, selection.anchorOffset) ?? nameAt(selection.focusNode, selection.focusOffset);
  }

  function mark(range) {
    if (!window.Highlight || !CSS.highlights) return;
    if (range) CSS.highlights.set("looked-up", new Highlight(range));
    else CSS.highlights.delete("looked-up");
  }

  function close() {
    asking?.abort();
    asking = null;
    mark(null);
    const gone = panel;
    panel = null;
    if (!gone) return;
    const inside = gone.contains(document.activeElement);
    gone.remove();
    if (inside) (from ?? source).focus({ preventScroll: true });
  }

  function place(rect) {
    const room = { width: document.documentElement.clientWidth, height: document.documentElement.clientHeight };
    const size = panel.getBoundingClientRect();
    const left = Math.max(8, Math.min(rect.left - 12, room.width - size.width - 8));
    const below = rect.bottom + 6;
    const top = below + size.height <= room.height - 8 ? below : Math.max(8, rect.top - size.height - 6);
    panel.style.left = `${left}px`;
    panel.style.top = `${top}px`;
  }

  function show(children, rect, focus) {
    const closer = make("button", { type: "button", className: "plain", textContent: "Close" });
    closer.addEventListener("click", close);
    panel.replaceChildren(...children, closer);
    place(rect);
    if (focus) (panel.querySelector(".def a, .peekfoot a") ?? closer).focus({ preventScroll: true });
  }

  function address(found, fragment) {
    const query = new URLSearchParams({ name: found.name, from: form.elements.from.value });
    if (found.at) query.set("at", found.at);
    if (fragment) query.set("fragment", "1");
    return `${form.getAttribute("action")}?${query}`;
  }

  async function look(found, focus) {
    close();
    from = document.activeElement;
    asking = new AbortController();
    const { signal } = asking;
    mark(found.range);
    const rect = found.range.getBoundingClientRect();
    panel = make("div", { className: "peekbox" });
    panel.setAttribute("role", "dialog");
    panel.setAttribute("aria-label", `Definitions of ${found.name}`);
    document.body.append(panel);
    show([make("p", { className: "peekwait", textContent: `Looking up ${found.name}…` })], rect, false);
    try {
      const part = await ask(address(found, true), "peek", signal);
      if (signal.aborted || !panel) return;
      show([part], rect, focus);
    } catch {
      if (signal.aborted || !panel) return;
      const link = make("a", { href: address(found, false), textContent: "Open its page" });
      show([make("p", { className: "peekwait" }, "This could not be looked up here. ", link)], rect, focus);
    }
  }

  source.addEventListener("click", (event) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.detail > 1) return;
    if (event.target instanceof Element && event.target.closest("a, button")) return;
    if (!getSelection()?.isCollapsed) return;
    const found = under(event.clientX, event.clientY);
    if (found) look(found, false);
    else close();
  });

  // Names on the line that is picked, for who has no pointer.
  function choose() {
    const line = source.querySelector(".lines .on > span");
    const names = new Map();
    const walker = line && document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    while (walker?.nextNode()) {
      for (const found of walker.currentNode.data.matchAll(NAME)) {
        const here = nameAt(walker.currentNode, found.index);
        if (here && !names.has(here.name)) names.set(here.name, here);
      }
    }
    const input = make("input", { id: "look-up", autocomplete: "off", required: true, maxLength: 200 });
    input.setAttribute("spellcheck", "false");
    const heading = make("h2", { id: "sheet-title" }, "Look up a symbol");
    const dialog = make("dialog", { className: "sheet" }, heading);
    dialog.setAttribute("aria-labelledby", heading.id);
    if (names.size > 0) {
      const list = make("div", { className: "chips" });
      for (const here of names.values()) {
        const chip = make("button", { type: "button", className: "btn" }, make("code", {}, here.name));
        chip.addEventListener("click", () => {
          dialog.close();
          look(here, true);
        });
        list.append(chip);
      }
      dialog.append(make("p", {}, "On the line that is picked:"), list);
    }
    const leave = make("button", { type: "button", className: "btn", textContent: "Leave it" });
    leave.addEventListener("click", () => dialog.close());
    const typed = make("form", {},
      make("div", { className: "field" }, make("label", { htmlFor: "look-up" }, "Name"), input),
      make("div", { className: "acts-row" }, leave, make("button", { className: "btn main", textContent: "Look up" })));
    typed.addEventListener("submit", (event) => {
      event.preventDefault();
      location.href = address({ name: input.value.trim() }, false);
    });
    dialog.append(typed);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && panel) {
      event.preventDefault();
      close();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    if (target instanceof Element && target.closest("input, textarea, select, dialog, [contenteditable]")) return;
    const onSource = target === document.body || target === source;
    if (event.key === "Enter" && target === source) {
      const found = selected();
      if (found) {
        event.preventDefault();
        look(found, true);
      }
    } else if (event.key === "d" && document.documentElement.classList.contains("keys-on") && (onSource || !panel?.contains(target))) {
      event.preventDefault();
      const found = selected();
      if (found) look(found, true);
      else choose();
    }
  });

  document.addEventListener("pointerdown", (event) => {
    if (panel && !panel.contains(event.target) && !source.contains(event.target)) close();
  });
  source.addEventListener("scroll", close, { passive: true });
  addEventListener("resize", close);
}
