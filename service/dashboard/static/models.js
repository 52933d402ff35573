// Models: which one grades and which one waits, all versions, new labels and retrainings. Each part asks for what it shows, so
// that one which cannot be read leaves the others.

import { at } from "./dom.js";
import { language, onLanguage } from "./i18n.js";
import { batchesPart } from "./models-batches.js";
import { readModels } from "./models-data.js";
import { drawNow } from "./models-now.js";
import { redraw, saidOf } from "./models-parts.js";
import { runsPart } from "./models-runs.js";
import { drawVersions } from "./models-versions.js";
import { may } from "./session.js";

const LOOK_MS = 30_000; // others may promote and retrain meanwhile, on a command line too

let rights = null; // until it is said who looks
let models = null;
let drawn = "";

/** Without an answer nothing may be changed here; the parts say what is wrong. */
const granted = () => rights ?? { operator: false, admin: false };

async function loadModels() {
  try {
    models = await readModels(granted().admin);
    at("now-trouble").replaceChildren();
  } catch (problem) {
    at("now-trouble").replaceChildren(...saidOf(problem));
    if (!models) at("now").replaceChildren();
  }
  drawModels();
}

function drawModels() {
  if (!models) return;
  // drawn only when it is another: a question about a version may be open, and its button takes the focus back
  const fresh = JSON.stringify([language(), rights, models]);
  if (fresh === drawn) return;
  drawn = fresh;
  redraw(at("now"), drawNow(models));
  at("versions-part").hidden = !models.versions.length;
  redraw(at("versions"), drawVersions(models, { changes: granted().admin, after: loadModels }));
}

const batches = batchesPart(() => runs.draw());
const runs = runsPart({ batches: batches.known, models: () => models, ended: loadModels });

onLanguage(() => {
  drawModels();
  batches.draw();
  runs.draw();
});

async function askRights() {
  try {
    rights = { operator: await may("operator"), admin: await may("admin") };
  } catch {
    // asked again with everything else, until there is an answer
  }
  batches.show(granted());
  runs.show(granted());
}

async function loadAll() {
  if (!rights) await askRights();
  await Promise.all([loadModels(), batches.load(), runs.load()]);
}

await loadAll();
document.addEventListener("senka:link", ({ detail }) => detail === "open" && !rights && loadAll());
setInterval(() => document.hidden || loadAll(), LOOK_MS);
document.addEventListener("visibilitychange", () => document.hidden || loadAll());
