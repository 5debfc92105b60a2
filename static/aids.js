// Help with reading the lines that are here: scope lines at the top, folding, brackets, the word clicked, hits and what hides, spaces and tabs.
// It works on what the page holds already and asks for nothing; marks are painted over the text, which stays as it is.
import { minimap } from "./minimap.js";

const source = document.querySelector("#source");
const DEEPEST = 5; // Scope lines at the top.
const FARTHEST = 20000; // Lines looked at for a scope or a bracket.
const MOST = 5000; // Places of one word that are marked.
const CODE = !source?.hasAttribute("data-prose");
const TEXT = NodeFilter.SHOW_TEXT;

if (source) {
  const lines = source.querySelector(".lines");
  const row = (number) => document.getElementById(`L${number}`);
  const numberOf = (element) => Number(element.id.slice(1));
  const body = (element) => element.querySelector(":scope > span");
  const total = Number(source.dataset.of);
  const wide = matchMedia("(min-width: 901px)");
  const paints = typeof Highlight === "function" && CSS.highlights;
  const known = new WeakMap();

  // Its text and the columns before it; -1 for a line with nothing on it.
  function about(element) {
    let facts = known.get(element);
    if (!facts) {
      const text = body(element).textContent;
      let columns = 0;
      let at = 0;
      for (; at < text.length && (text[at] === " " || text[at] === "\t"); at += 1) columns = text[at] === "\t" ? columns - (columns % 8) + 8 : columns + 1;
      facts = { text: text.trim(), indent: at === text.length ? -1 : columns };
      known.set(element, facts);
    }
    return facts;
  }

  const OPENING = /^(?:\{|begin|\()$/;
  const CLOSING = /^(?:[)}\]]+[;,]?|end;?)$/;
  const BRANCH = /^[)}\]]/;
  const BESIDE = /^(?:#|\/\/|\/\*|\*|--|<!--|%)/;
  const hasLabels = /\.(?:c|h|cc|cpp|cxx|hh|hpp|m|mm|s|S)$/.test(location.pathname);
  const isHead = (text) => !CLOSING.test(text) && !BESIDE.test(text) && !(hasLabels && /^(?!default\b)\w+:$/.test(text));

  // The line that begins the block a line stands in, by indentation; an opening brace alone stands for the line above it.
  let parents = new Map();
  function parent(number) {
    if (parents.has(number)) return parents.get(number);
    let from = number;
    let element = row(from);
    while (element && about(element).indent < 0) element = row((from += 1));
    let found = null;
    const own = element ? about(element).indent : 0;
    for (let at = number - 1; own > 0 && at >= 1 && at > number - FARTHEST; at -= 1) {
      const other = row(at);
      if (!other) break;
      const { text, indent } = about(other);
      if (indent < 0 || indent >= own) continue;
      // The end of a head over several lines, or another branch, stands for what it belongs to.
      if (OPENING.test(text) || (BRANCH.test(text) && !CLOSING.test(text))) {
        found = headAbove(at, indent) ?? at;
        break;
      }
      if (!isHead(text)) continue;
      found = at;
      break;
    }
    parents.set(number, found);
    return found;
  }

  function headAbove(number, indent) {
    const isBranch = BRANCH.test(about(row(number)).text);
    for (let at = number - 1; at >= 1 && at > number - 1000; at -= 1) {
      const other = row(at);
      if (!other) return null;
      const { text, indent: own } = about(other);
      if (own > indent) continue;
      if (own < 0 || own < indent || CLOSING.test(text)) {
        if (own < 0 && isBranch) continue;
        return null;
      }
      if (BRANCH.test(text)) continue;
      if (isHead(text)) return at;
    }
    return null;
  }

  // The definitions of the outline that take more than one line: the line of the name, and the first and the last of the whole.
  const definitions = [...document.querySelectorAll(".outline a[data-from]")].map((link) => ({
    line: Number(/#L(\d+)$/.exec(link.getAttribute("href"))?.[1]),
    from: Number(link.dataset.from),
    to: Number(link.dataset.to),
  }));

  // The lines that a line stands in: the definitions around it, where the outline knows them, and within the innermost of these, blocks by
  // indentation.
  function scopes(number) {
    const around = definitions.filter(({ line, to }) => line < number && number <= to && row(line)).map(({ line }) => line).sort((a, b) => a - b);
    const chain = [];
    for (let at = parent(number); at !== null && at > (around.at(-1) ?? 0) && chain.length < 40; at = parent(at)) chain.unshift(at);
    return [...around, ...chain];
  }

  // ── Where one is ──────────────────────────────────────────────────────────
  // The first line whose end is below so many pixels of the pane.
  function lineAt(offset) {
    const edge = source.getBoundingClientRect().top + offset;
    const below = (element) => element.getBoundingClientRect().bottom > edge;
    const first = (elements) => {
      let [low, high] = [0, elements.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (below(elements[middle])) high = middle;
        else low = middle + 1;
      }
      return elements[low] ?? null;
    };
    const block = first(lines.children);
    return block?.classList.contains("stretch") ? first(block.children) : null;
  }

  const overlay = document.createElement("div");
  overlay.className = "scopes";
  overlay.setAttribute("aria-hidden", "true");
  const shelf = document.createElement("div");
  shelf.className = "lines";
  overlay.append(shelf);
  let shown = "";

  // The scope lines to be shown, by their numbers; told before anything of the frame is written, so that the page is laid out once.
  function wantedScopes() {
    const wanted = CODE && !document.documentElement.classList.contains("no-scopes") && wide.matches;
    const height = Number.parseFloat(getComputedStyle(source).lineHeight);
    let chain = [];
    for (let depth = 0; wanted && depth <= DEEPEST; depth += 1) {
      const top = lineAt(depth * height + 1);
      const now = top ? scopes(numberOf(top)).slice(0, DEEPEST) : [];
      if (now.length <= depth) return now;
      chain = now;
    }
    return chain;
  }

  function showScopes(chain) {
    const words = chain.join(" ");
    if (words === shown) return;
    shown = words;
    shelf.replaceChildren(...chain.map((number) => {
      const copy = row(number).cloneNode(true);
      copy.removeAttribute("id");
      copy.classList.remove("on");
      copy.dataset.line = number;
      copy.querySelector("button")?.remove();
      for (const part of [copy, copy.lastElementChild]) part.removeAttribute("data-folded");
      return copy;
    }));
    overlay.classList.toggle("some", chain.length > 0);
  }

  overlay.addEventListener("click", (event) => {
    const copy = event.target instanceof Element ? event.target.closest("[data-line]") : null;
    if (!copy) return;
    event.preventDefault();
    event.stopPropagation();
    const at = row(copy.dataset.line);
    source.scrollTop += at.getBoundingClientRect().top - source.getBoundingClientRect().top - scopes(Number(copy.dataset.line)).length * at.offsetHeight;
  });
  source.prepend(overlay);

  // ── Folding ───────────────────────────────────────────────────────────────
  const folded = new Map();

  function foldEnd(number) {
    const { text, indent } = about(row(number));
    const whole = definitions.find(({ line }) => line === number);
    if (whole) {
      // The sign that closes it stays to be seen.
      const closes = row(whole.to) && CLOSING.test(about(row(whole.to)).text);
      const last = closes ? whole.to - 1 : whole.to;
      if (last > number) return last;
    }
    if (indent < 0 || OPENING.test(text) || BESIDE.test(text)) return null;
    let end = null;
    let inside = false;
    for (let at = number + 1; at < number + FARTHEST; at += 1) {
      const other = row(at);
      if (!other) break;
      const facts = about(other);
      if (facts.indent < 0) continue;
      if (facts.indent > indent) {
        inside = true;
        end = at;
      } else if (!inside && at - number < 20 && OPENING.test(facts.text) && facts.indent === indent) end = at;
      else break;
    }
    return inside && end > number ? end : null;
  }

  function hide() {
    for (const element of lines.querySelectorAll(".folded")) element.classList.remove("folded");
    for (const [from, to] of folded) for (let at = from + 1; at <= to; at += 1) row(at)?.classList.add("folded");
  }

  function mark(number, end) {
    const element = row(number);
    const button = element.querySelector(":scope > button");
    button?.setAttribute("aria-expanded", String(end === null));
    for (const part of [element, body(element)]) {
      if (end === null) part.removeAttribute("data-folded");
      else part.dataset.folded = end - number === 1 ? "1 line" : `${end - number} lines`;
    }
  }

  function fold(number, wanted = !folded.has(number)) {
    const end = wanted ? foldEnd(number) : null;
    if (wanted && end === null) return false;
    if (wanted) folded.set(number, end);
    else folded.delete(number);
    mark(number, end);
    hide();
    soon();
    return true;
  }

  function uncover(number) {
    for (const [from, to] of [...folded]) if (from < number && number <= to) fold(from, false);
  }

  source.addEventListener("lectern:show", (event) => uncover(event.detail.line));
  document.addEventListener("lectern:fold", () => {
    for (const element of lines.querySelectorAll(".stretch > div")) {
      const number = numberOf(element);
      const end = CODE ? foldEnd(number) : null;
      // The outermost blocks with some length: what is left is a table of contents.
      if (end !== null && end - number > 2 && ![...folded].some(([from, to]) => from < number && number <= to)) {
        folded.set(number, end);
        mark(number, end);
      }
    }
    hide();
    soon();
  });
  document.addEventListener("lectern:unfold", () => {
    const all = [...folded.keys()];
    folded.clear();
    for (const number of all) mark(number, null);
    hide();
    soon();
  });
  document.addEventListener("lectern:fold-here", () => {
    const picked = Number(/^#L(\d+)/.exec(location.hash)?.[1] ?? 0);
    let at = row(picked) ? picked : numberOf(lineAt(shelf.offsetHeight + 1) ?? { id: "L0" });
    while (at && !fold(at)) at = parent(at);
  });

  // ── What only the lines in view need ──────────────────────────────────────
  function spaces(element, wanted) {
    const content = body(element);
    const has = content.dataset.spaces !== undefined;
    if (wanted === has) return;
    if (!wanted) {
      for (const sign of content.querySelectorAll("i.tab, i.sp")) sign.replaceWith(sign.textContent);
      content.normalize();
      delete content.dataset.spaces;
      return;
    }
    content.dataset.spaces = "";
    const walker = document.createTreeWalker(content, TEXT);
    const texts = [];
    while (walker.nextNode()) if (/[ \t]/.test(walker.currentNode.data) && !walker.currentNode.parentElement.closest("em.mark")) texts.push(walker.currentNode);
    for (const text of texts) {
      const parts = text.data.split(/(\t| +)/).filter((part) => part !== "").map((part) => {
        if (part !== "\t" && part.trim() !== "") return part;
        const sign = document.createElement("i");
        sign.className = part === "\t" ? "tab" : "sp";
        if (part !== "\t") sign.dataset.dots = "·".repeat(part.length);
        sign.textContent = part;
        return sign;
      });
      text.replaceWith(...parts);
    }
  }

  // The lines in view and a few around.
  function inView() {
    const seen = [];
    const edge = source.getBoundingClientRect().top + Math.min(source.clientHeight, innerHeight) + 400;
    for (let element = lineAt(-200); element && seen.length < 400; element = row(numberOf(element) + 1)) {
      if (!element.classList.contains("folded") && element.getBoundingClientRect().top > edge) break;
      seen.push(element);
    }
    return seen;
  }

  function dress(elements) {
    const wanted = document.documentElement.classList.contains("spaces");
    for (const element of elements) {
      const number = numberOf(element);
      if (CODE && element.dataset.looked === undefined) {
        element.dataset.looked = "";
        const end = foldEnd(number);
        if (end !== null) {
          const button = document.createElement("button");
          button.type = "button";
          button.tabIndex = -1;
          button.setAttribute("aria-expanded", String(!folded.has(number)));
          button.setAttribute("aria-label", `The block that begins on line ${number}`);
          element.insertBefore(button, body(element));
        }
      }
      spaces(element, wanted);
    }
  }

  source.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest(".stretch > div > button") : null;
    if (!button) return;
    event.stopPropagation();
    fold(numberOf(button.parentElement));
  });

  let frame = 0;
  function soon() {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      const [chain, seen] = [wantedScopes(), inView()];
      showScopes(chain);
      dress(seen);
    });
  }
  source.addEventListener("scroll", soon, { passive: true });
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon);

  // ── Hits: what was searched for, the word clicked, what hides ─────────────
  const count = document.createElement("div");
  count.className = "hitcount num";
  count.setAttribute("role", "status");
  let hits = [];
  let hidden = [];
  let word = null;
  let at = -1;
  let match = null;

  const painted = (name, ranges) => {
    if (!paints) return;
    if (ranges.length === 0) CSS.highlights.delete(name);
    else CSS.highlights.set(name, new Highlight(...ranges));
  };

  // The words and expressions of a query that are looked for in lines; its filters are not.
  function wanted(query) {
    const found = [];
    const terms = /(-?)"((?:[^"\\]|\\.)*)"|(-?)\/((?:[^/\\]|\\.)+)\/|(\S+)/g;
    for (const [, no, quotedText, not, expression, bare] of query.matchAll(terms)) {
      if (no || not) continue;
      const literal = quotedText !== undefined ? quotedText.replace(/\\(.)/g, "$1") : bare;
      if (literal !== undefined) {
        if (bare !== undefined && (/^(?:AND|OR|NOT)$/.test(bare) || /^-?[a-z]+:/.test(bare) || /^-\w/.test(bare))) continue;
        if (literal.trim() !== "") found.push([literal.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), literal]);
      } else found.push([expression.replace(/\\\//g, "/"), expression]);
    }
    return found.flatMap(([pattern, written]) => {
      try {
        return [new RegExp(pattern, /[A-Z]/.test(written) ? "gu" : "giu")];
      } catch {
        return []; // It is no expression here; the search understood it, and its lines are linked from there.
      }
    });
  }

  // A place in a line's text as a range over its text nodes.
  function rangeOf(element, start, end) {
    const walker = document.createTreeWalker(body(element), TEXT);
    const range = document.createRange();
    let before = 0;
    let begun = false;
    while (walker.nextNode()) {
      const node = walker.currentNode;
      const length = node.data.length;
      if (!begun && start < before + length) {
        range.setStart(node, start - before);
        begun = true;
      }
      if (begun && end <= before + length) {
        range.setEnd(node, end - before);
        return range;
      }
      before += length;
    }
    return null;
  }

  function places(patterns) {
    const found = [];
    for (const element of lines.querySelectorAll(".stretch > div")) {
      const text = body(element).textContent.slice(0, 4000);
      for (const pattern of patterns) {
        for (const one of text.matchAll(pattern)) {
          if (one[0] === "") continue;
          const range = rangeOf(element, one.index, one.index + one[0].length);
          if (range) found.push({ line: numberOf(element), range });
          if (found.length >= MOST) return found;
        }
      }
    }
    return found;
  }

  // Where it differs from another version, if one came from there: lines that came or became others, and lines before which some went.
  const changes = (source.dataset.changes ?? "").split(" ").filter(Boolean).map((place) => {
    const [, first, end] = /^(\d*)-(\d+)$/.exec(place);
    return first ? { kind: "add", line: Number(first), end: Number(end) } : { kind: "del", line: Math.min(Number(end), total), end: Math.min(Number(end), total) };
  });
  function markChanges() {
    for (const { kind, line, end } of changes) for (let number = line; number <= end; number += 1) row(number)?.classList.add(kind);
  }

  const asked = wanted(source.dataset.find ?? "");
  function lookAgain() {
    const searched = asked.length > 0 ? places(asked) : [];
    painted("lectern-hit", searched.map((hit) => hit.range));
    const same = word ? places([word.pattern]) : [];
    painted("lectern-word", same.map((hit) => hit.range));
    hidden = [...lines.querySelectorAll("em.mark:not(.mild), em.mixed")].map((sign) => {
      const range = document.createRange();
      range.selectNodeContents(sign);
      return { line: numberOf(sign.closest(".stretch > div")), range, hides: true };
    });
    markChanges();
    hits = word ? same : asked.length > 0 ? searched : changes.length > 0 ? changes : hidden;
    at = -1;
    drawMap();
    const what = word ? `“${word.text}”` : asked.length > 0 ? "What you searched for" : "";
    count.textContent = what ? `${what}: ${hits.length === 1 ? "once" : `${hits.length}${hits.length >= MOST ? " and more" : ""} times`} in the lines here` : "";
  }

  function goTo(line, range) {
    const there = () => {
      uncover(line);
      row(line)?.scrollIntoView({ block: "center", inline: "nearest" });
      const here = range ?? (row(line) && whole(row(line)));
      painted("lectern-here", here ? [here] : []);
    };
    if (row(line)) there();
    else source.dispatchEvent(new CustomEvent("lectern:reach", { cancelable: true, detail: { line, then: there } }));
  }

  function whole(element) {
    const range = document.createRange();
    range.selectNodeContents(body(element));
    return range;
  }

  document.addEventListener("lectern:step", (event) => {
    if (hits.length === 0) {
      count.textContent = "Nothing to go to: click a word, or come from a search or a comparison.";
      return;
    }
    if (at < 0) {
      const top = Number(/^#L(\d+)/.exec(location.hash)?.[1] ?? numberOf(lineAt(shelf.offsetHeight + 1) ?? { id: "L1" }));
      const behind = hits.findIndex((hit) => hit.line >= top);
      at = event.detail > 0 ? (behind < 0 ? 0 : behind) : behind <= 0 ? hits.length - 1 : behind - 1;
    } else at = (at + event.detail + hits.length) % hits.length;
    goTo(hits[at].line, hits[at].range);
    count.textContent = `${at + 1} of ${hits.length}, line ${hits[at].line}`;
  });

  // ── The word and the bracket clicked ──────────────────────────────────────
  function caret(event) {
    if (document.caretPositionFromPoint) {
      const found = document.caretPositionFromPoint(event.clientX, event.clientY);
      return found && { node: found.offsetNode, offset: found.offset };
    }
    const found = document.caretRangeFromPoint?.(event.clientX, event.clientY);
    return found && { node: found.startContainer, offset: found.startOffset };
  }

  const PAIRS = { "(": ")", "[": "]", "{": "}" };
  const BACK = Object.fromEntries(Object.entries(PAIRS).map(([open, close]) => [close, open]));
  const isWords = (node) => node.parentElement.closest(".s, .c, em.mark") !== null;

  // The partner of a bracket, over lines, past what stands in strings and comments.
  function partner(node, offset) {
    const sign = node.data[offset];
    const way = sign in PAIRS ? 1 : -1;
    const other = way > 0 ? PAIRS[sign] : BACK[sign];
    if (!other || isWords(node)) return null;
    const walker = document.createTreeWalker(lines, TEXT, (text) => (text.parentElement.closest(".stretch > div > span") ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_REJECT));
    walker.currentNode = node;
    let depth = 0;
    let from = offset;
    for (let looked = 0; looked < FARTHEST * 4; looked += 1) {
      const text = walker.currentNode;
      if (!isWords(text)) {
        for (let place = from; place >= 0 && place < text.data.length; place += way) {
          if (text.data[place] === sign) depth += 1;
          else if (text.data[place] === other) depth -= 1;
          if (depth === 0) return { node: text, offset: place };
        }
      }
      const next = way > 0 ? walker.nextNode() : walker.previousNode();
      if (!next) return null;
      from = way > 0 ? 0 : next.data.length - 1;
    }
    return null;
  }

  const one = ({ node, offset }) => {
    const range = document.createRange();
    range.setStart(node, offset);
    range.setEnd(node, offset + 1);
    return range;
  };

  source.addEventListener("click", (event) => {
    const inside = event.target instanceof Element ? event.target.closest(".stretch > div > span") : null;
    if (!inside || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const point = caret(event);
    if (!point || point.node.nodeType !== Node.TEXT_NODE || !inside.contains(point.node)) return;
    const { data } = point.node;
    const bracket = [point.offset, point.offset - 1].find((place) => data[place] in PAIRS || data[place] in BACK);
    const found = bracket === undefined ? null : partner(point.node, bracket);
    match = found && { line: numberOf(found.node.parentElement.closest(".stretch > div")), range: one(found) };
    painted("lectern-bracket", match ? [one({ node: point.node, offset: bracket }), match.range] : []);
    let [start, end] = [point.offset, point.offset];
    while (start > 0 && /[\p{L}\p{N}_$]/u.test(data[start - 1])) start -= 1;
    while (end < data.length && /[\p{L}\p{N}_$]/u.test(data[end])) end += 1;
    const text = data.slice(start, end);
    const now = text.length > 1 && !/^\d+$/.test(text) ? text : null;
    if (now === (word?.text ?? null)) return;
    const escaped = now?.replace(/\$/g, "\\$");
    word = now && { text: now, pattern: new RegExp(`(?<![\\p{L}\\p{N}_$])${escaped}(?![\\p{L}\\p{N}_$])`, "gu") };
    lookAgain();
  });
  document.addEventListener("lectern:bracket", () => {
    if (match) goTo(match.line, match.range);
    else count.textContent = "Click a bracket first.";
  });

  source.addEventListener("lectern:lines", () => {
    parents = new Map();
    for (const element of lines.querySelectorAll("[data-looked]")) if (!element.querySelector(":scope > button")) delete element.dataset.looked;
    hide();
    lookAgain();
    soon();
  });
  document.addEventListener("lectern:reading", soon);

  // What later is known of lines, such as findings, is one more kind here.
  const marked = (kind, places) => places.map(({ line, end = line }) => ({ kind, line, from: (line - 1) / total, to: end / total }));
  const ofKind = (kind) => changes.filter((change) => change.kind === kind);
  const drawMap = minimap(source, () => [
    ...marked("add", ofKind("add")), ...marked("del", ofKind("del")), ...marked("hides", hidden), ...marked("hit", hits.filter((hit) => hit.range && !hit.hides)),
  ], ({ line }) => goTo(line));
  document.querySelector(".crumb")?.append(count);
  lookAgain();
  soon();
}
