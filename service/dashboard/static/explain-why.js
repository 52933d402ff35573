// The page "Why this grade": a fruit is chosen, the service is asked why, and the answer is drawn.

import { ask, inWords, photographOf } from "./explain-api.js";
import { offerMethods } from "./explain-methods.js";
import { newOverlay, valueAt } from "./explain-overlay.js";
import { pickGrading } from "./explain-picker.js";
import { partAt, showReasons } from "./explain-reasons.js";
import { partName, words } from "./explain-words.js";

const at = (id) => document.getElementById(id);

let asking = null; // the request under way, to call it off when another fruit is chosen
let why = null; // the answer shown

const picture = newOverlay(at("why-picture"), (x, y) => {
  if (!why?.map) return "";
  const { value, row, column, rows, columns } = valueAt(why.map, x, y);
  const part = partAt(why, x, y);
  return [
    words.readout.logits(value * why.map.perPlace),
    part ? words.readout.part(partName(part.name)) : "",
    words.readout.at(row, column, rows, columns),
  ].filter(Boolean).join(" · ");
});
const showMethods = offerMethods();

pickGrading(async (grading) => {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  showMethods(grading);
  at("why-trouble").textContent = "";
  at("why-busy").textContent = "";
  why = null;
  at("why").hidden = !grading;
  if (!grading) return;

  picture.photograph(photographOf(grading.id), words.photoOf(grading.grade));
  picture.draw(null);
  picture.boxes([]);
  at("verdict").textContent = grading.grade ? verdictOf(grading) : words.ungraded;
  for (const id of ["reasons", "hide"]) at(id).hidden = true;
  document.querySelector(".alike").hidden = true;
  if (!grading.grade) return;

  at("why-busy").textContent = words.busy;
  try {
    const answer = await ask(`/v1/explain/why/${encodeURIComponent(grading.id)}`, { signal });
    at("why-busy").textContent = "";
    why = prepared(answer);
    at("verdict").textContent = verdictOf(grading, answer);
    picture.photograph(photographOf(grading.id), words.photoOf(grading.grade), answer.photograph?.width, answer.photograph?.height);
    picture.draw(why.map);
    showReasons(why, picture);
  } catch (error) {
    if (signal.aborted) return; // another fruit was chosen meanwhile
    at("why-busy").textContent = "";
    at("why-trouble").textContent = inWords(error);
  }
});

/** "M (62 %), not S (31 %)": from the explanation where it is there, from the record until then. */
function verdictOf(grading, answer = null) {
  const grade = answer?.grade ?? grading.grade;
  const share = answer?.probabilities?.[grade] ?? grading.confidence;
  const other = answer?.runner_up ?? grading.runner_up?.grade;
  const otherShare = answer?.probabilities?.[other] ?? grading.runner_up?.probability;
  return other && otherShare !== undefined ? words.verdict(grade, share, other, otherShare) : words.verdictAlone(grade, share);
}

/** The answer, its map ready to draw. `perPlace` turns a raw value into points of the margin: some networks average over the
 * places of their map, and then each place adds only its share. */
function prepared(answer) {
  if (!answer.map) return answer;
  let total = 0;
  for (const row of answer.map.values) for (const value of row) total += value;
  const explained = answer.margin - answer.bias;
  const perPlace = answer.additive && Math.abs(total) > 1e-9 ? explained / total : 1;
  return { ...answer, map: { ...answer.map, signed: true, placement: answer.placement, perPlace } };
}
