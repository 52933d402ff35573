// The end of the walk-through: from the last maps to a grade, as a sum of what each place adds, and from logits to probabilities.

import { explain } from "./learn-api.js";
import { difference, drawMap, figure, limitOf, options, precise, row } from "./learn-draw.js";
import { softmax, sum, total } from "./learn-math.js";
import { words } from "./learn-words.js";

const at = (id) => document.getElementById(id);
const LISTED = 8; // places with a row of their own
let show = null;

/** Fills the section for a cucumber; the grade given is explained first, others on demand. */
export async function showHead(source, network, current) {
  const offered = network.methods.some(({ name }) => name === "cam");
  const first = await explain(offered ? "cam" : "feature_maps", source, offered ? {} : { layer: network.layers.find(({ shape }) => shape.length === 3).name });
  if (!current()) return;
  at("head").hidden = false;
  at("no-cam").hidden = offered;
  at("no-cam").textContent = words.noCam;
  probabilities(first);
  const grades = Object.keys(first.logits);
  const best = grades.reduce((top, grade) => (first.logits[grade] > first.logits[top] ? grade : top));
  options(at("grade"), grades.map((grade) => [grade, grade]), first.target ?? best);
  at("grade").disabled = !offered;
  show = async (grade) => {
    const found = grade === first.target ? first : await explain("cam", source, { target: grade });
    if (current() && at("grade").value === grade) shares(found, grade, network.architecture);
  };
  if (offered) await show(at("grade").value);
}

at("grade").addEventListener("change", () => show?.(at("grade").value).catch((error) => (at("trouble").textContent = error.message)));

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
  at("shares-limit").textContent = figure(limitOf(adds));
  at("addends").replaceChildren(
    ...listed.map(({ value, y, x }) => row([words.cell(y, x), figure(value)])),
    row([words.places(places - listed.length), figure(explained - total(listed.map(({ value }) => value)))]),
    row([words.biases, figure(logits[grade] - explained)]),
    row([words.logit(grade), figure(logits[grade])]),
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
  at("temperature").textContent = words.temperature(figure(temperature));
  at("softmax").replaceChildren(
    ...grades.map((grade, place) =>
      row([
        grade,
        figure(logits[grade]),
        figure(scaled[place]),
        precise(made[place]),
        precise(reported[grade]),
        difference(Math.abs(made[place] - reported[grade])),
      ]),
    ),
  );
}
