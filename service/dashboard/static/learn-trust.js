// The page on trust: how the methods fared on the serving network, and whether the network looks at the fruit.

import { at, make } from "./dom.js";
import { mark, moment, onLanguage, percent, say, t, tn } from "./i18n.js";
import { gallery } from "./learn-api.js";
import { name } from "./learn-draw.js";
import { NONE, cut } from "./learn-figures.js";
import { attempt } from "./learn-source.js";

// where a figure counts as good: half of the random map's deletion, 1.3 times its insertion, half a correlation, nine in ten
const DELETION = 0.5;
const INSERTION = 1.3;
const CORRELATION = 0.5;
const KEPT = 0.9;
const SHOWS = { reasons: mark("shows reasons"), features: mark("shows features, not reasons") };
let made = null;

const halfway = (chance) => (1 + chance) / 2; // from what a map that knows nothing would have, to all of it
const known = (value) => value !== null && value !== undefined;

function cell(label, value, text, good) {
  if (!known(value)) return make("td", { "data-label": label }, NONE);
  return make(
    "td",
    { "data-label": label },
    make("span", { class: "figure" }, text()),
    " ",
    make("span", { class: "verdict-word", "data-good": good ? "yes" : "no" }, good ? t("good") : t("poor")),
  );
}

function line(method) {
  const { insertion, deletion, random_insertion: lower, random_deletion: upper, randomization_correlation: correlation } = method;
  const against = (value, random) => () => t("{value}, random {random}", { value: cut(value), random: cut(random) });
  const shows = SHOWS[method.shows] ? t(SHOWS[method.shows]) : method.shows;
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, name(method.name.replaceAll("_", " "))),
    make("td", {}, make("span", { class: "label-shows", "data-shows": method.shows }, shows)),
    cell(t("deletion"), deletion, against(deletion, upper), deletion <= DELETION * upper),
    cell(t("insertion"), insertion, against(insertion, lower), insertion >= INSERTION * lower),
    cell(t("randomized"), correlation, () => cut(correlation), Math.abs(correlation) < CORRELATION),
  );
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
    value.textContent = known(share) ? percent(share) : NONE;
  }
  at("chance").hidden = !known(found.fruit_area);
  at("chance").style.setProperty("left", `${100 * (found.fruit_area ?? 0)}%`);
  at("chance-said").textContent = known(found.fruit_area)
    ? t("A map that knows nothing would have {share} there, the mark on the bar: so much of the picture is fruit.", { share: percent(found.fruit_area) })
    : "";
  at("control").textContent = known(found.kept_when_pasted_back)
    ? t("The control: cut out and laid back on its own belt, {share} keep theirs; what is lost there, the scissors lost.", {
        share: percent(found.kept_when_pasted_back),
      })
    : "";
  at("images").textContent = known(found.images) ? tn(found.images, "measured on {count} photograph", "measured on {count} photographs") : "";
}

function draw() {
  const { trust, model, made_at: time } = made;
  at("missing").hidden = Boolean(trust);
  spurious(trust?.spurious);
  at("methods").hidden = !trust?.methods?.length;
  at("rows").replaceChildren(...(trust?.methods ?? []).map(line));
  say(at("made"), "Gallery of `{name}`, version {version}, made {time}.", { ...model, time: moment(time) });
}

onLanguage(() => made && draw());
attempt(async () => {
  made = await gallery();
  draw();
});
