// The live page: data comes in from the feed, is kept in one place, and is drawn from there at a calm pace.

import { ask, query } from "./api.js";
import { coalesce } from "./coalesce.js";
import { at } from "./dom.js";
import { openFeed } from "./feed.js";
import { onLanguage, say } from "./i18n.js";
import { bigScreen } from "./live-big.js";
import { firstSteps } from "./live-first.js";
import { currentFruit } from "./live-fruit.js";
import { LATEST, addGradings, newLine, setClock } from "./live-line.js";
import { lineChoice } from "./live-lines.js";
import { paceChart } from "./live-pace.js";
import { recentFruit } from "./live-recent.js";
import { lineStatus } from "./live-status.js";
import { tally } from "./live-tally.js";
import { photoGapMs, watchedBy } from "./photo.js";
import { alarms } from "./shell.js";

const root = document.documentElement.dataset.root;
const line = newLine();
const view = { line: new URLSearchParams(location.search).get("line"), period: "shift" };

const showFruit = currentFruit();
const showRecent = recentFruit();
const showStatus = lineStatus();
const showTally = tally();
const showPace = paceChart(at("pace-chart"));
const showLines = lineChoice(at("lines"), (chosen) => {
  look({ line: chosen });
  if (view.period === "lot" && !lotOf()) look({ period: "shift" });
});
const showFirst = firstSteps();
bigScreen();

const drawStatus = coalesce(100, () => showStatus(line, Date.now()));
// grade and photograph together, as often as an eye can follow and the service can spare
const drawFruit = coalesce(() => Math.max(330, photoGapMs()), () => line.gradings.length && showFruit(line.gradings[0]));
const drawRecent = coalesce(150, () => showRecent(line.gradings));
const drawTally = coalesce(250, () => line.stats && showTally(line.stats));
const drawActivity = coalesce(250, () => {
  if (!line.activity) return;
  showLines(line.activity, view.line, Date.now() + line.skewMs);
  showPace(line.activity.minutes, paceNow());
  const lotButton = document.querySelector('[data-period="lot"]');
  lotButton.disabled = !lotOf();
});

/** Fruit in the last minute of what is looked at. Figures come with fruit, so they do not know that a line has stopped. */
function paceNow() {
  const lines = line.activity.lines.filter((each) => view.line === null || each.name === view.line);
  return lines.reduce((sum, each) => sum + each.per_minute, 0);
}

/** The lot that "this lot" means: the chosen line's, or that of the only line there is. */
function lotOf() {
  const lines = line.activity?.lines ?? [];
  const chosen = view.line === null ? (lines.length === 1 ? lines[0] : null) : lines.find((each) => each.name === view.line);
  return chosen?.lot ?? null;
}

function filters() {
  return {
    line: view.line,
    lot: view.period === "lot" ? lotOf() : null,
    since: view.period === "shift" ? line.activity?.shift.since : null,
  };
}

let feed = null;
let watched = "";

/** Watch what is looked at now, where that has changed: another line, the next shift, the lot that runs now. */
function watch() {
  const wanted = filters();
  const text = JSON.stringify(wanted);
  if (feed && text !== watched) {
    line.gradings = []; // of another line or lot
    line.stats = null;
    feed.change(wanted);
  }
  watched = text;
}

function look(change) {
  const before = JSON.stringify(filters());
  Object.assign(view, change);
  for (const each of document.querySelectorAll("[data-period]"))
    each.setAttribute("aria-pressed", String(each.dataset.period === view.period));
  if (JSON.stringify(filters()) === before) {
    drawActivity();
    return; // what is looked at is the same: nothing would be asked for again
  }
  history.replaceState(null, "", location.pathname + query({ line: view.line, big: document.body.dataset.big ? 1 : null }));
  watch();
  drawRecent();
  drawStatus();
  drawActivity();
}

for (const button of document.querySelectorAll("[data-period]"))
  button.addEventListener("click", () => look({ period: button.dataset.period }));

at("empty-command").textContent =
  `curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' ${location.origin}${root}/v1/grade`;

async function refresh() {
  const wanted = filters();
  let found;
  try {
    found = await Promise.all([
      ask(`/v1/gradings${query({ limit: LATEST, line: wanted.line, lot: wanted.lot })}`),
      ask(`/v1/stats${query(wanted)}`),
      ask(`/v1/activity${query({ line: wanted.line })}`),
      alarms.refresh(),
    ]);
  } catch (problem) {
    if (problem.code !== "records_off") throw problem;
    say(at("trouble"), "This service keeps no records, so there is nothing to show or change here.");
    return;
  }
  const [page, stats, activity] = found;
  if (JSON.stringify(wanted) !== JSON.stringify(filters())) return; // somebody has chosen another line meanwhile
  on.gradings(page.gradings);
  on.stats(stats);
  on.activity(activity);
  if (!line.gradings.length) showFirst(line.health);
}

const on = {
  gradings(gradings) {
    addGradings(line, gradings, Date.now());
    drawFruit();
    drawRecent();
    drawStatus();
  },
  grading: (grading) => on.gradings([grading]),
  stats(stats) {
    line.stats = stats;
    drawTally();
  },
  activity(activity) {
    line.activity = activity;
    if (view.period === "lot" && !lotOf()) look({ period: "shift" }); // the lot has ended, or another line is looked at
    watch();
    drawActivity();
  },
  alarm: alarms.take,
  model(model) {
    line.model = model;
    drawStatus();
  },
  health(health) {
    line.health = health;
    line.dataAt = Date.now(); // an answer without news still says that what is shown holds
    if (!line.gradings.length) showFirst(health);
    drawStatus();
  },
  clock(serverNow, pages) {
    setClock(line, serverNow, Date.now());
    alarms.clock(serverNow);
    watchedBy(pages);
  },
  link(link) {
    if (link !== line.link) document.dispatchEvent(new CustomEvent("senka:link", { detail: link }));
    line.link = link;
    if (link === "open") line.dataAt = Date.now();
    drawStatus();
  },
  refresh,
};

// the page came with its newest fruit, and the dozen comes before the feed is open. Without an answer the feed says what is wrong
const first = document.querySelector(".fruit").dataset.newest;
if (first) on.gradings([JSON.parse(first)]);
const early = query({ limit: LATEST, line: view.line });
ask(`/v1/gradings${early}`, { waitMs: 2_500 }).then((page) => on.gradings(page.gradings), () => {});
// the shift's start is asked for first, so that figures are right from the first
try {
  line.activity = await ask(`/v1/activity${query({ line: view.line })}`, { waitMs: 2_500 });
} catch {
  line.activity = null;
}
watched = JSON.stringify(filters());
feed = openFeed(root, { only: "grading,stats,alarm,model,activity", latest: LATEST, ...filters() }, on);

setInterval(() => {
  drawStatus(); // ages grow even when nothing happens
  drawActivity();
}, 1000);
onLanguage(() => {
  for (const draw of [drawStatus, drawFruit, drawTally, drawActivity]) draw();
  showRecent([]);
  showRecent(line.gradings);
});
