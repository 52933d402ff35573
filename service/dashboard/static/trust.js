// The page on trust: how the methods fared on the serving network, and whether the network looks at the fruit.

import { gallery } from "./learn-api.js";
import { attempt } from "./learn-source.js";
import { words } from "./learn-words.js";

const at = (id) => document.getElementById(id);

// where a figure counts as good: half of the random map's deletion, 1.3 times its insertion, half a correlation, nine in ten
const DELETION = 0.5;
const INSERTION = 1.3;
const CORRELATION = 0.5;
const KEPT = 0.9;
const halfway = (chance) => (1 + chance) / 2; // from what a map that knows nothing would have, to all of it

const known = (value) => value !== null && value !== undefined;

function cell(label, value, text, good) {
  const holder = document.createElement("td");
  holder.dataset.label = label;
  holder.textContent = known(value) ? text : words.none;
  if (!known(value)) return holder;
  const verdict = document.createElement("span");
  verdict.className = "verdict-word";
  verdict.dataset.good = good ? "yes" : "no";
  verdict.textContent = good ? words.good : words.bad;
  holder.append(verdict);
  return holder;
}

function line(method) {
  const holder = document.createElement("tr");
  const name = Object.assign(document.createElement("th"), { scope: "row", textContent: words.method(method.name) });
  const shows = document.createElement("td");
  const label = document.createElement("span");
  label.className = "label-shows";
  label.dataset.shows = method.shows;
  label.textContent = words.shows[method.shows] ?? method.shows;
  shows.append(label);
  const { insertion, deletion, random_insertion: lower, random_deletion: upper, randomization_correlation: correlation } = method;
  holder.append(
    name,
    shows,
    cell(words.deletion, deletion, known(deletion) && words.against(deletion, upper), deletion <= DELETION * upper),
    cell(words.insertion, insertion, known(insertion) && words.against(insertion, lower), insertion >= INSERTION * lower),
    cell(words.randomized, correlation, known(correlation) && words.plain(correlation), Math.abs(correlation) < CORRELATION),
  );
  return holder;
}

function spurious(found) {
  at("spurious-none").hidden = Boolean(found);
  if (!found) return;
  for (const bar of document.querySelectorAll("[data-bar]")) {
    const share = found[bar.dataset.bar];
    bar.style.setProperty("width", `${100 * (share ?? 0)}%`);
    bar.dataset.good = share >= (bar.dataset.bar === "fruit_share" ? halfway(found.fruit_area ?? 0) : KEPT) ? "yes" : "no";
  }
  for (const value of document.querySelectorAll("[data-value]")) {
    const share = found[value.dataset.value];
    value.textContent = known(share) ? words.percent(share) : words.none;
  }
  at("chance").hidden = !known(found.fruit_area);
  at("chance").style.setProperty("left", `${100 * (found.fruit_area ?? 0)}%`);
  at("chance-said").textContent = known(found.fruit_area) ? words.chance(found.fruit_area) : "";
  at("control").textContent = known(found.kept_when_pasted_back) ? words.control(found.kept_when_pasted_back) : "";
  at("images").textContent = known(found.images) ? words.images(found.images) : "";
}

attempt(async () => {
  const { trust, model, made_at: made } = await gallery();
  at("missing").hidden = Boolean(trust);
  spurious(trust?.spurious);
  at("methods").hidden = !trust?.methods?.length;
  at("rows").replaceChildren(...(trust?.methods ?? []).map(line));
  at("made").textContent = words.galleryModel(model, made);
});
