// Lines of source: a click picks one, shift-click a range. The address says which, so it can be passed on.
const source = document.querySelector("#source");
const RANGE = /^#L(\d+)(?:-L?(\d+))?$/;

if (source) {
  document.documentElement.classList.add("lines-on");
  const row = (number) => document.getElementById(`L${number}`);
  const rows = source.querySelectorAll(".lines > div");
  const lowest = Number.parseInt(rows[0]?.id.slice(1) ?? "1", 10);
  const highest = lowest + rows.length - 1;
  let anchor = null;
  let lit = [];
  let bar = null;

  const parse = (hash) => {
    const found = RANGE.exec(hash);
    if (!found) return null;
    const [a, b] = [Number(found[1]), Number(found[2] ?? found[1])];
    return { first: Math.min(a, b), last: Math.max(a, b) };
  };
  const words = ({ first, last }) => (first === last ? `L${first}` : `L${first}-L${last}`);

  const button = (text, act) => {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "btn";
    element.textContent = text;
    element.addEventListener("click", act);
    return element;
  };

  const copy = async (event) => {
    try {
      await navigator.clipboard.writeText(location.href);
      event.target.textContent = "Copied";
    } catch {
      event.target.textContent = "Not allowed here";
    }
  };

  function showBar(range) {
    bar?.remove();
    bar = null;
    if (!range) return;
    bar = document.createElement("div");
    bar.className = "picked";
    const text = document.createElement("span");
    text.className = "num";
    text.setAttribute("role", "status");
    const elsewhere = range.first > highest || range.last < lowest;
    const named = range.first === range.last ? `Line ${range.first}` : `Lines ${range.first} to ${range.last}`;
    text.textContent = elsewhere ? `${named}: not in the piece shown here` : named;
    bar.append(text, button("Copy link", copy), button("Clear", clear));
    document.querySelector("main").append(bar);
  }

  function light(range) {
    for (const element of lit) element.classList.remove("on");
    lit = [];
    for (let number = Math.max(range?.first ?? 1, lowest); range && number <= Math.min(range.last, highest); number += 1) {
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
    if (range) row(Math.max(range.first, lowest))?.scrollIntoView({ block: "center", inline: "nearest" });
  }

  source.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest(".lines > div > a") : null;
    if (!link || event.ctrlKey || event.metaKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    const number = Number.parseInt(link.parentElement.id.slice(1), 10);
    const range = event.shiftKey && anchor !== null
      ? { first: Math.min(anchor, number), last: Math.max(anchor, number) }
      : { first: number, last: number };
    if (!event.shiftKey || anchor === null) anchor = number;
    history.replaceState(history.state, "", `#${words(range)}`);
    if (event.shiftKey) getSelection()?.removeAllRanges();
    light(range);
  });

  addEventListener("hashchange", follow);
  follow();
}
