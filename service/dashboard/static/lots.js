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

// without an answer the page begins with what it knows, and asks again when the service is back
const farm = { name: null, time_zone: ownZone() };
let changes = false;
let unanswered = [
  async () => Object.assign(farm, await ask("/v1/farm")),
  async () => (changes = await may("operator")),
];

async function askOnce() {
  const asked = unanswered;
  const answers = await Promise.allSettled(asked.map((one) => one()));
  unanswered = asked.filter((_, index) => answers[index].status === "rejected");
}
await askOnce();

let lines = null;
let drawn = null;
let wrong = null;

function draw() {
  trouble.replaceChildren(wrong ? (wrong.words?.() ?? String(wrong)) : "");
  if (lines) drawLines(place, lines, { changes, zone: farm.time_zone, after });
}

async function load() {
  try {
    lines = await readLines();
    wrong = null;
  } catch (problem) {
    wrong = problem;
    if (!lines) place.replaceChildren();
  }
  const fresh = JSON.stringify([lines, changes, farm.time_zone, wrong?.code]);
  if (fresh !== drawn) draw(); // what is as it was stays under the finger
  drawn = fresh;
}

const report = openReport(farm);
async function after() {
  await askOnce();
  await Promise.all([load(), report.load()]);
}

onLanguage(draw);
document.addEventListener("senka:link", ({ detail }) => detail === "open" && after());
setInterval(() => {
  // beneath a dialog nothing changes: the button that opened it gets the focus back
  if (document.visibilityState === "visible" && !document.querySelector("dialog[open]")) askOnce().then(load);
}, AGAIN_MS);
await after();
