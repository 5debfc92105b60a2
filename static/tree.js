// The tree beside a file: directories open in place (WAI-ARIA navigation treeview), and stay open from page to page in this tab. What is open
// is asked for again on each page that shows it, since each showing is recorded; nothing else of the tree is ever asked for.
import { ask } from "./ask.js";

const MOST = 40;
const tree = document.querySelector("#files .tree");
const here = () => location.pathname;
const path = (link) => new URL(link.href, location.href).pathname;

function remembered() {
  try {
    return new Set(JSON.parse(sessionStorage.getItem(`lectern.tree ${tree.dataset.root}`) ?? "[]"));
  } catch {
    return new Set();
  }
}

function remember(open) {
  try {
    sessionStorage.setItem(`lectern.tree ${tree.dataset.root}`, JSON.stringify([...open].slice(-MOST)));
  } catch {
    // Nothing to keep it in.
  }
}

if (tree) {
  const open = remembered();
  const closed = new WeakMap(); // The rows of a directory that was closed again: they were shown, so they need no asking.
  const link = (row) => row.querySelector("a");
  const depth = (row) => Number(row.dataset.depth);
  const rows = () => [...tree.children];
  const visible = () => rows().map(link);

  // The rows below one, or below the root.
  function below(row) {
    const found = [];
    for (let next = row.nextElementSibling; next && depth(next) > depth(row); next = next.nextElementSibling) found.push(next);
    return found;
  }

  function dress(row, level) {
    row.className = `d${Math.min(level, 12)}${row.classList.contains("dir") ? " dir" : ""}${row.classList.contains("open") ? " open" : ""}${row.classList.contains("rest") ? " rest" : ""}`;
    row.dataset.depth = level;
    row.setAttribute("role", "none");
    const a = link(row);
    a.setAttribute("role", "treeitem");
    a.setAttribute("aria-level", level + 1);
    a.tabIndex = -1;
    if (!row.classList.contains("dir")) return row;
    a.setAttribute("aria-expanded", String(row.classList.contains("open")));
    if (!a.querySelector(".twisty")) {
      const twisty = document.createElement("span");
      twisty.className = "twisty";
      twisty.setAttribute("aria-hidden", "true");
      a.prepend(twisty);
    }
    return row;
  }

  function state(row, isOpen) {
    row.classList.toggle("open", isOpen);
    link(row).setAttribute("aria-expanded", String(isOpen));
  }

  async function listing(address) {
    const part = await ask(address, "rows");
    return [...part.children];
  }

  async function opened(row) {
    if (row.classList.contains("open") || row.classList.contains("busy")) return;
    const kept = closed.get(row);
    if (kept) {
      row.after(...kept);
      state(row, true);
    } else {
      row.classList.add("busy");
      try {
        const found = await listing(link(row).href);
        const level = depth(row) + 1;
        if (found.length > 0) row.after(...found.map((one) => dress(one, level)));
        state(row, true);
      } catch {
        link(row).title = "This directory could not be read.";
        open.delete(path(link(row)));
        return;
      } finally {
        row.classList.remove("busy");
      }
    }
    open.add(path(link(row)));
    remember(open);
  }

  function shut(row) {
    const inner = below(row);
    closed.set(row, inner);
    for (const one of inner) one.remove();
    state(row, false);
    open.delete(path(link(row)));
    remember(open);
  }

  const toggle = (row) => (row.classList.contains("open") ? shut(row) : opened(row));

  // The server shows the way down to where one is. What else stands at its upper levels is listed when asked for.
  function moreRow(address, level, words) {
    const row = document.createElement("li");
    const a = document.createElement("a");
    a.href = address;
    const text = document.createElement("span");
    text.textContent = words;
    a.append(text);
    row.append(a);
    row.classList.add("rest");
    return dress(row, level);
  }

  async function whole(more) {
    if (more.classList.contains("busy")) return;
    more.classList.add("busy");
    const address = link(more).href;
    const level = depth(more);
    try {
      const found = await listing(address);
      // The one that is there already, above, at the same level.
      let known = more.previousElementSibling;
      while (known && depth(known) > level) known = known.previousElementSibling;
      const at = found.findIndex((row) => known && path(link(row)) === path(link(known)));
      const before = at < 0 ? [] : found.slice(0, at);
      const behind = at < 0 ? found : found.slice(at + 1);
      known?.before(...before.map((row) => dress(row, level)));
      const focused = document.activeElement === link(more);
      more.after(...behind.map((row) => dress(row, level)));
      const next = more.nextElementSibling ?? known;
      more.remove();
      if (focused && next) focus(link(next));
      open.add(path({ href: address }));
      remember(open);
    } catch {
      link(more).title = "This directory could not be read.";
      more.classList.remove("busy");
    }
  }

  function focus(a) {
    for (const other of tree.querySelectorAll('a[tabindex="0"]')) other.tabIndex = -1;
    a.tabIndex = 0;
    a.focus();
  }

  tree.classList.add("live");
  tree.setAttribute("role", "tree");
  tree.setAttribute("aria-label", "Files");
  for (const row of rows()) dress(row, depth(row));
  const trail = rows().filter((row) => row.classList.contains("open"));
  // All but the innermost directory on the way show only the next one; so does the root, when there is a way.
  for (const [place, row] of trail.entries()) {
    const parent = place === 0 ? tree.dataset.root : link(trail[place - 1]).href;
    const words = place === 0 ? "more at the top" : `more in ${link(trail[place - 1]).textContent}`;
    const inside = below(row);
    (inside.at(-1) ?? row).after(moreRow(parent, place, words));
  }
  const start = tree.querySelector('a[aria-current="page"]') ?? tree.querySelector("a");
  if (start) start.tabIndex = 0;

  tree.addEventListener("click", (event) => {
    const row = event.target instanceof Element ? event.target.closest("li") : null;
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    const onTwisty = event.target.closest(".twisty");
    if (!onTwisty && !row.classList.contains("rest")) return;
    event.preventDefault();
    if (onTwisty) toggle(row);
    else whole(row);
  });
  tree.addEventListener("keydown", (event) => {
    const a = event.target instanceof Element ? event.target.closest("a") : null;
    if (!a || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = a.parentElement;
    const all = visible();
    const at = all.indexOf(a);
    const isDir = row.classList.contains("dir");
    const isOpen = row.classList.contains("open");
    switch (event.key) {
      case "ArrowDown":
        if (all[at + 1]) focus(all[at + 1]);
        break;
      case "ArrowUp":
        if (all[at - 1]) focus(all[at - 1]);
        break;
      case "Home":
        focus(all[0]);
        break;
      case "End":
        focus(all.at(-1));
        break;
      case "ArrowRight":
        if (isDir && isOpen && all[at + 1]) focus(all[at + 1]);
        else if (isDir) opened(row);
        else if (row.classList.contains("rest")) whole(row);
        break;
      case "ArrowLeft": {
        if (isDir && isOpen) {
          shut(row);
          break;
        }
        let up = row.previousElementSibling;
        while (up && depth(up) >= depth(row)) up = up.previousElementSibling;
        if (up) focus(link(up));
        break;
      }
      case " ":
        if (isDir) toggle(row);
        else if (row.classList.contains("rest")) whole(row);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  });

  // What was open stays open.
  const again = async () => {
    for (const more of rows().filter((row) => row.classList.contains("rest"))) {
      if (open.has(path(link(more)))) await whole(more);
    }
    const tried = new Set();
    for (;;) {
      const next = rows().find((row) => row.classList.contains("dir") && !row.classList.contains("open") && open.has(path(link(row))) && !tried.has(path(link(row))));
      if (!next) break;
      tried.add(path(link(next)));
      await opened(next);
    }
    tree.querySelector('a[aria-current="page"]')?.scrollIntoView({ block: "nearest" });
    tree.dataset.ready = "";
  };
  again();
}

// The breadcrumb: each slash opens what stands beside the component behind it.
let menu = null;
function closeMenu(back) {
  if (!menu) return;
  menu.opener.setAttribute("aria-expanded", "false");
  menu.box.remove();
  if (back) menu.opener.focus();
  menu = null;
}

async function openMenu(opener) {
  const again = menu?.opener === opener;
  closeMenu(false);
  if (again) return;
  const box = document.createElement("div");
  box.className = "menu besides";
  box.textContent = "Reading the directory…";
  box.style.left = `${opener.offsetLeft}px`;
  opener.setAttribute("aria-expanded", "true");
  opener.closest(".crumb").append(box);
  menu = { opener, box };
  try {
    const part = await ask(opener.href, "rows");
    if (menu?.box !== box) return;
    const list = document.createElement("ul");
    const current = opener.dataset.beside ? new URL(opener.dataset.beside, location.href).pathname : here();
    for (const row of [...part.children]) {
      row.removeAttribute("data-depth");
      const a = row.querySelector("a");
      row.className = row.classList.contains("dir") ? "dir" : "";
      if (path(a) === current) a.setAttribute("aria-current", "true");
      list.append(row);
    }
    const note = document.createElement("p");
    note.textContent = `Names shown here are recorded, as entry ${Number(part.dataset.entry).toLocaleString("en")}`;
    note.className = "noted";
    box.replaceChildren(list, note);
    (list.querySelector("a[aria-current]") ?? list.querySelector("a"))?.focus();
  } catch {
    box.textContent = "This directory could not be read.";
  }
}

for (const opener of document.querySelectorAll(".crumb a.beside")) {
  opener.setAttribute("role", "button");
  opener.setAttribute("aria-haspopup", "true");
  opener.setAttribute("aria-expanded", "false");
  opener.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    openMenu(opener);
  });
  opener.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    openMenu(opener);
  });
}
document.addEventListener("click", (event) => {
  if (menu && !menu.box.contains(event.target) && !menu.opener.contains(event.target)) closeMenu(false);
});
document.addEventListener("keydown", (event) => {
  if (!menu) return;
  const all = [...menu.box.querySelectorAll("a")];
  const at = all.indexOf(document.activeElement);
  if (event.key === "Escape") closeMenu(true);
  else if (event.key === "ArrowDown" && all.length > 0) all[(at + 1) % all.length].focus();
  else if (event.key === "ArrowUp" && all.length > 0) all[(at - 1 + all.length) % all.length].focus();
  else return;
  event.preventDefault();
});
