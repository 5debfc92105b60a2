// How old lines are, beside long source: the newer, the stronger, as in the band beside each line.
import { minimapOfRows } from "./minimap.js";

const source = document.querySelector(".code.blame");
if (source) minimapOfRows(source, (row) => [...(row.querySelector(":scope > .by")?.classList ?? [])].find((name) => /^h\d$/.test(name)));
