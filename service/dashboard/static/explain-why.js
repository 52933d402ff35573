// The page "Why this grade": a fruit is chosen, the service is asked why, and the answer is drawn.

import { at } from "./dom.js";
import { ask, problemOf } from "./explain-api.js";
import { offerMethods } from "./explain-methods.js";
import { newOverlay, valueAt } from "./explain-overlay.js";
import { pickGrading } from "./explain-picker.js";
import { partAt, showReasons } from "./explain-reasons.js";
import { beside, tell, tellTrouble } from "./explain-say.js";
import { BUSY, partName, place, signed, verdict } from "./explain-words.js";
import { t } from "./i18n.js";

let asking = null; // the request under way, to call it off when another fruit is chosen
let why = null; // the answer shown

const picture = newOverlay(at("why-picture"), (x, y) => {
  if (!why?.map) return null;
  const { value, row, column, rows, columns } = valueAt(why.map, x, y);
  const points = value * why.map.perPlace;
  const part = partAt(why, x, y);
  return () =>
    beside(
      t("{points} points", { points: signed(points) }),
      part ? t("on: {part}", { part: partName(part.name) }) : "",
      place(row, column, rows, columns),
    );
});
const showMethods = offerMethods();

pickGrading(async (grading) => {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  showMethods(grading);
  tellTrouble(at("why-trouble"), null);
  tell(at("why-busy"), null);
  why = null;
  at("why").hidden = !grading;
  if (!grading) return;

  picture.photograph(grading);
  picture.draw(null);
  picture.boxes([]);
  tell(at("verdict"), () =>
    grading.grade ? verdictOf(grading) : t("This photograph got no grade in time, so there is nothing to explain."),
  );
  at("verdict").classList.toggle("grade-words", Boolean(grading.grade));
  for (const id of ["reasons", "hide", "alike"]) at(id).hidden = true;
  if (!grading.grade) return;

  tell(at("why-busy"), () => t(BUSY));
  try {
    const answer = await ask(`/v1/explain/why/${encodeURIComponent(grading.id)}`, { signal });
    tell(at("why-busy"), null);
    why = prepared(answer);
    tell(at("verdict"), () => verdictOf(grading, answer));
    picture.photograph(grading, answer.photograph);
    picture.draw(why.map);
    showReasons(why, picture);
  } catch (error) {
    if (signal.aborted) return; // another fruit was chosen meanwhile
    tell(at("why-busy"), null);
    tellTrouble(at("why-trouble"), problemOf(error));
  }
});

/** "M (62 %), not S (31 %)": from the explanation where it is there, from the record until then. */
function verdictOf(grading, answer = null) {
  const grade = answer?.grade ?? grading.grade;
  const share = answer?.probabilities?.[grade] ?? grading.confidence;
  const other = answer?.runner_up ?? grading.runner_up?.grade;
  return verdict(grade, share, other, answer?.probabilities?.[other] ?? grading.runner_up?.probability);
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
