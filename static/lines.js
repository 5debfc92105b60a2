// Lines of source: a click picks one, shift-click a range. The address says which, so it can be passed on; what can be done with them is offered.
const source = document.querySelector("#source");
const RANGE = /^#L(\d+)(?:-L?(\d+))?$/;

if (source) {
  document.documentElement.classList.add("lines-on");
  const row = (number) => document.getElementById(`L${number}`);
  const last = Number(source.dataset.of ?? source.querySelector(".lines > :last-child")?.id.slice(1) ?? 0);
  let anchor = null;
  let lit = [];
  let bar = null;
  let picked = null;

  const parse = (hash) => {
    const found = RANGE.exec(hash);
    if (!found) return null;
    const [a, b] = [Number(found[1]), Number(found[2] ?? found[1])];
    return { first: Math.min(a, b), last: Math.max(a, b) };
  };
  const words = ({ first, last: end }) => (first === end ? `L${first}` : `L${first}-L${end}`);

  const button = (text, act) => {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "btn";
    element.textContent = text;
    element.addEventListener("click", act);
    return element;
  };
  const link = (text, href, key) => {
    const element = document.createElement("a");
    element.className = "btn";
    element.href = href;
    element.dataset.key = key;
    element.textContent = text;
    return element;
  };

  const copy = async (event) => {
    try {
      await navigator.clipboard.writeText(`${location.origin}${location.pathname}${location.hash}`);
      event.target.textContent = "Copied";
    } catch {
      event.target.textContent = "Not allowed here";
    }
  };

  // The text of lines, cut where a mark stands for what is not seen: the longest run without one is what can be searched for.
  function textOf(range) {
    const chosen = getSelection();
    const inside = chosen && !chosen.isCollapsed && source.contains(chosen.anchorNode) ? chosen.toString() : "";
    if (inside.trim() !== "" && !inside.includes("\n")) return inside.trim();
    let best = "";
    for (let number = range.first; number <= Math.min(range.last, range.first + 200); number += 1) {
      let run = "";
      for (const node of row(number)?.querySelector(":scope > span").childNodes ?? []) {
        const marks = node instanceof Element && (node.matches("em.mark") || node.querySelector("em.mark"));
        run = marks ? "" : run + node.textContent;
        if (run.trim().length > best.length) best = run.trim();
      }
    }
    return best;
  }

  const quoted = (text) => `"${text.replace(/["\\]/g, "\\$&")}"`;

  function offers(range) {
    const all = [button("Copy link", copy)];
    const blame = document.querySelector('.acts [data-key="b"]');
    const past = document.querySelector('.acts [data-key="h"]');
    // A line further down may be on another page of it.
    if (blame) all.push(link("Blame", `${blame.getAttribute("href")}${range.first > 1000 ? `?from=${range.first}` : ""}#${words(range)}`, "b"));
    if (past) all.push(link(range.first === range.last ? "History of this line" : "History of these lines", `${past.getAttribute("href")}?lines=${range.first}-${range.last}`, "h"));
    const text = textOf(range).slice(0, 400);
    if (text) {
      const search = link(range.first === range.last ? "Search for this text" : "Search for the longest line", `/search?q=${encodeURIComponent(quoted(text))}`, "s");
      // What is selected by then is what is meant.
      search.addEventListener("click", () => {
        search.href = `/search?q=${encodeURIComponent(quoted(textOf(range).slice(0, 400)))}`;
      });
      all.push(search);
    }
    return all;
  }

  function showBar(range) {
    bar?.remove();
    bar = null;
    if (!range) return;
    bar = document.createElement("div");
    bar.className = "picked";
    const text = document.createElement("span");
    text.className = "num";
    text.setAttribute("role", "status");
    const named = range.first === range.last ? `Line ${range.first}` : `Lines ${range.first} to ${range.last}`;
    const isThere = row(range.first) || row(range.last);
    const away = range.first > last ? "behind the end of this file" : "on its way";
    text.textContent = isThere ? named : `${named}: ${away}`;
    bar.append(text, ...(isThere ? offers(range) : []), button("Clear", clear));
    document.querySelector("main").append(bar);
  }

  function light(range) {
    for (const element of lit) element.classList.remove("on");
    lit = [];
    picked = range;
    for (let number = range?.first ?? 1; range && number <= Math.min(range.last, last); number += 1) {
      const element = row(number);
      element?.classList.add("on");
      if (element) lit.push(element);
    }
    showBar(range);
  }

  function clear() {
    anchor = null;
    history.replaceState(history.state, "", location.pathname + location.search);
    light(null);
    source.focus({ preventScroll: true });
  }

  function follow() {
    const range = parse(location.hash);
    anchor = range?.first ?? null;
    light(range);
    if (!range) return;
    const there = () => {
      const at = row(range.first);
      source.dispatchEvent(new CustomEvent("lectern:show", { detail: { line: range.first } }));
      at?.scrollIntoView({ block: "center", inline: "nearest" });
      return at;
    };
    if (there()) return;
    const arrived = () => {
      light(range);
      there();
    };
    source.dispatchEvent(new CustomEvent("lectern:reach", { cancelable: true, detail: { line: range.first, then: arrived } }));
  }

  source.addEventListener("click", (event) => {
    const number = event.target instanceof Element ? event.target.closest('.lines a[href^="#L"]') : null;
    if (!number || event.ctrlKey || event.metaKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    const at = Number.parseInt(number.parentElement.id.slice(1), 10);
    const range = event.shiftKey && anchor !== null
      ? { first: Math.min(anchor, at), last: Math.max(anchor, at) }
      : { first: at, last: at };
    if (!event.shiftKey || anchor === null) anchor = at;
    history.replaceState(history.state, "", `#${words(range)}`);
    if (event.shiftKey) getSelection()?.removeAllRanges();
    light(range);
  });
  // Lines that came later belong to the range, too.
  source.addEventListener("lectern:lines", () => {
    if (picked && !lit.includes(row(picked.last))) light(picked);
  });

  addEventListener("hashchange", follow);
  // When the others have begun, too.
  queueMicrotask(() => setTimeout(follow));
}
