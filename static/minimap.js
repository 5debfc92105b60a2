// A strip beside long source that shows where in it something is: changes, what was searched for, what hides, how old lines are. A click goes
// to the nearest. `marks` tells them whenever it is drawn: each has a kind, which is its class, and its beginning and end as parts of the
// whole, from 0 to 1. Returns what draws it anew.
const LEAST = 4; // Pixels of the shortest mark.

export function minimap(source, marks, go) {
  const strip = document.createElement("div");
  strip.className = "marks";
  strip.setAttribute("aria-hidden", "true");
  source.after(strip);
  let drawn = [];

  function draw() {
    const height = source.clientHeight;
    const long = source.scrollHeight > height * 1.2 && matchMedia("(min-width: 901px)").matches;
    drawn = long ? marks() : [];
    const seen = new Set();
    const ticks = [];
    for (const { kind, from, to } of drawn) {
      const top = Math.min(Math.round(from * height), height - LEAST);
      const tall = Math.max(Math.round((to - from) * height), LEAST);
      const place = `${top} ${tall} ${kind}`;
      if (seen.has(place)) continue;
      seen.add(place);
      const tick = document.createElement("i");
      tick.className = kind;
      tick.style.top = `${top}px`;
      tick.style.height = `${tall}px`;
      ticks.push(tick);
    }
    strip.style.top = `${source.offsetTop}px`;
    strip.style.height = `${height}px`;
    strip.replaceChildren(...ticks);
    strip.hidden = ticks.length === 0;
  }

  strip.addEventListener("click", (event) => {
    const at = (event.clientY - strip.getBoundingClientRect().top) / strip.clientHeight;
    const away = ({ from, to }) => Math.max(from - at, at - to, 0);
    go(drawn.reduce((best, mark) => (away(mark) < away(best) ? mark : best)));
  });
  addEventListener("resize", draw);
  document.addEventListener("lectern:reading", draw);
  draw();
  return draw;
}

// The same of rows that are all on the page. Rows of one kind that stand together are one mark; what has no kind has none.
export function minimapOfRows(source, kindOf) {
  const lines = source.querySelector(".lines");
  const runs = [];
  for (const row of lines.children) {
    const kind = kindOf(row);
    const last = runs.at(-1);
    if (last && last.kind === kind) last.end = row;
    else runs.push({ kind, first: row, end: row });
  }
  const changed = runs.filter(({ kind }) => kind);
  const marks = () => {
    const { top, height } = lines.getBoundingClientRect();
    const part = (y) => (y - top) / height;
    return changed.map((run) => ({ ...run, from: part(run.first.getBoundingClientRect().top), to: part(run.end.getBoundingClientRect().bottom) }));
  };
  minimap(source, marks, ({ first }) => first.scrollIntoView({ block: "center", inline: "nearest" }));
}
