// The live page: data comes in from the feed, is kept in one place, and is drawn from there at a calm pace.

import { coalesce } from "./coalesce.js";
import { openFeed } from "./feed.js";
import { currentFruit } from "./fruit.js";
import { LATEST, addGradings, newLine } from "./line.js";
import { recentFruit } from "./recent.js";
import { lineStatus } from "./status.js";
import { tally } from "./tally.js";

const root = document.documentElement.dataset.root;
const line = newLine();

const showFruit = currentFruit(root);
const showRecent = recentFruit(root);
const showStatus = lineStatus();
const showTally = tally();

const drawStatus = coalesce(100, () => showStatus(line, Date.now()));
const drawFruit = coalesce(100, () => line.gradings.length && showFruit(line.gradings[0]));
// slower: cards that move ten times a second cannot be read, and each new one costs the service a photograph
const drawRecent = coalesce(500, () => showRecent(line.gradings));
const drawTally = coalesce(250, () => line.stats && showTally(line.stats));

document.getElementById("empty-command").textContent =
  `curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' ${location.origin}${root}/v1/grade`;

openFeed(root, LATEST, {
  gradings(gradings) {
    addGradings(line, gradings, Date.now());
    drawFruit();
    drawRecent();
    drawStatus();
  },
  stats(stats) {
    line.stats = stats;
    drawTally();
  },
  model(model) {
    line.model = model;
    drawStatus();
  },
  health(health) {
    line.health = health;
    line.dataAt = Date.now(); // an answer without news still says that what is shown holds
    drawStatus();
  },
  clock(serverNow) {
    line.skewMs = serverNow - Date.now();
  },
  link(link) {
    line.link = link;
    if (link === "open") line.dataAt = Date.now();
    drawStatus();
  },
});

setInterval(drawStatus, 1000); // ages grow even when nothing happens
