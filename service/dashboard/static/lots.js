// The page of lots: what runs on the lines now, and the report of what came.

import { ask } from "./api.js";
import { at } from "./dom.js";
import { onLanguage } from "./i18n.js";
import { drawLines, readLines } from "./lots-lines.js";
import { openReport } from "./lots-report.js";
import { ownZone } from "./lots-time.js";
import { may } from "./session.js";

const AGAIN_MS = 30_000;
const place = at("lines");
const trouble = at("lines-trouble");

// without an answer the page begins with what it knows, and goes on by itself
const farm = await ask("/v1/farm").catch(() => ({ name: null, time_zone: ownZone() }));
const changes = await may("operator").catch(() => false);

let lines = null;
let drawn = null;

const draw = () => lines && drawLines(place, lines, { changes, zone: farm.time_zone, after });

async function load() {
  try {
    lines = await readLines();
    trouble.replaceChildren();
    const found = JSON.stringify(lines);
    if (found !== drawn) draw(); // what is as it was stays under the finger
    drawn = found;
  } catch (problem) {
    trouble.replaceChildren(problem.words?.() ?? String(problem));
  }
}

const report = openReport(farm);
const after = () => Promise.all([load(), report.load()]);

onLanguage(draw);
document.addEventListener("senka:link", ({ detail }) => detail === "open" && after());
setInterval(() => {
  // beneath a dialog nothing changes: the button that opened it gets the focus back
  if (document.visibilityState === "visible" && !document.querySelector("dialog[open]")) load();
}, AGAIN_MS);
await after();
