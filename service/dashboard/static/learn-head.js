// The end of the walk-through: from the last maps to a grade, as a sum of what each place adds, and from logits to probabilities.

import { at } from "./dom.js";
import { onLanguage, t, tn } from "./i18n.js";
import { explain } from "./learn-api.js";
import { drawMap, limitOf, name, options, row } from "./learn-draw.js";
import { cellWord, difference, figure, precise } from "./learn-figures.js";
import { softmax, sum, total } from "./learn-math.js";
import { attempt } from "./learn-source.js";

const LISTED = 8; // places with a row of their own
let show = null; // explains another grade
let redraw = () => {};

/** Fills the section for a cucumber; the grade given is explained first, others on demand. */
export async function showHead(source, network, current) {
  const offered = network.methods.some(({ name: method }) => method === "cam");
  const layer = network.layers.find(({ shape }) => shape.length === 3).name;
  const first = await explain(offered ? "cam" : "feature_maps", source, offered ? {} : { layer });
  if (!current()) return;
  at("head").hidden = false;
  at("no-cam").hidden = offered;
  probabilities(first);
  const grades = Object.keys(first.logits);
  const best = grades.reduce((top, grade) => (first.logits[grade] > first.logits[top] ? grade : top));
  options(at("grade"), grades.map((grade) => [grade, grade]), first.target ?? best);
  at("grade").disabled = !offered;
  show = async (grade) => {
    const found = grade === first.target ? first : await explain("cam", source, { target: grade });
    if (!current() || at("grade").value !== grade) return;
    redraw = () => shares(found, grade, network.architecture);
    redraw();
  };
  if (offered) await show(at("grade").value);
}

at("grade").addEventListener("change", () => attempt(() => show(at("grade").value)));
onLanguage(() => redraw());

/** The map of what each place adds, the largest of these, and their sum with the biases. */
function shares({ values, logits }, grade, architecture) {
  // of a LeNet the map's places add up to the logit; of networks that average their maps, so does the mean of the places
  const places = values.length * values[0].length;
  const adds = architecture === "lenet" ? values : values.map((line) => line.map((value) => value / places));
  const listed = adds
    .flatMap((line, y) => line.map((value, x) => ({ value, y, x })))
    .sort((one, other) => Math.abs(other.value) - Math.abs(one.value))
    .slice(0, LISTED);
  const explained = sum(adds);
  drawMap(at("shares"), adds);
  at("shares-said").textContent = t("What each place adds: orange for, blue against. The largest: ±{limit}", { limit: figure(limitOf(adds)) });
  at("addends").replaceChildren(
    ...listed.map(({ value, y, x }) => row([cellWord(y, x), figure(value)])),
    row([
      tn(places - listed.length, "the other place", "{count} other places together"),
      figure(explained - total(listed.map(({ value }) => value))),
    ]),
    row([t("biases (what no place explains)"), figure(logits[grade] - explained)]),
    row([t("logit of {grade}", { grade }), figure(logits[grade])]),
  );
}

/** Softmax computed here, beside the network's; the temperature is read off the two. */
function probabilities({ logits, probabilities: reported }) {
  const grades = Object.keys(logits).sort((one, other) => logits[other] - logits[one]);
  const [first, second] = grades;
  const apart = Math.log(reported[first]) - Math.log(reported[second]);
  const temperature = Number.isFinite(apart) && apart > 0 ? (logits[first] - logits[second]) / apart : 1;
  const scaled = grades.map((grade) => logits[grade] / temperature);
  const made = softmax(scaled);
  at("temperature").textContent = `÷ ${figure(temperature)}`;
  at("softmax").replaceChildren(
    ...grades.map((grade, place) =>
      row([
        name(grade),
        figure(logits[grade]),
        figure(scaled[place]),
        precise(made[place]),
        precise(reported[grade]),
        difference(Math.abs(made[place] - reported[grade])),
      ]),
    ),
  );
}
