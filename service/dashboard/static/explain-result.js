// The result of a method, drawn by what its values are, with its figures and its raw numbers.

import { at } from "./dom.js";
import { explainPath, fetchAnswer, problemOf } from "./explain-api.js";
import { paintColours } from "./explain-colour.js";
import { newOverlay, valueAt } from "./explain-overlay.js";
import { beside, tell, tellTrouble } from "./explain-say.js";
import { scrubber } from "./explain-scrub.js";
import { filterTiles, mapTiles, pixelPicture } from "./explain-tiles.js";
import { aloneScale, figure, modelName, place } from "./explain-words.js";
import { mark, say, t } from "./i18n.js";

/** Draws an answer of POST /v1/explain into `host`; `asked` is what it was asked with. */
export function showResult(host, answer, asked, grading) {
  const outcome = at("outcome").content.firstElementChild.cloneNode(true);
  host.replaceChildren(outcome);
  const drawn = outcome.querySelector(".drawn");
  (DRAW[answer.kind] ?? DRAW.unknown)(drawn, answer, grading);
  outcome.querySelector(".facts").replaceChildren(
    ...factsOf(answer).flatMap(([word, text]) => {
      const [term, fact] = at("fact").content.cloneNode(true).children;
      say(term, word);
      if (typeof text === "function") tell(fact, text);
      else fact.textContent = text;
      fact.translate = typeof text === "function"; // names and figures stay as they are
      return [term, fact];
    }),
  );
  outcome.querySelector(".raw").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) download(button.value, answer, asked, outcome.querySelector(".raw-trouble"));
  });
  outcome.querySelector('[value="overlay"]').hidden = answer.kind !== "map" || !asked.grading_id;
}

const DRAW = {
  map(host, answer, grading) {
    const map = { ...answer };
    const overlay = newOverlay(host, (x, y) => {
      const { value, row, column, rows, columns } = valueAt(map, x, y);
      return () => beside(figure(value), place(row, column, rows, columns));
    });
    overlay.photograph(grading, answer.photograph);
    overlay.draw(map);
  },

  pixels(host, answer) {
    const canvas = pictureIn(host);
    pixelPicture(canvas, answer.values);
  },

  maps(host, answer) {
    host.append(mapTiles(answer.values, answer.signed, () => aloneScale(answer.signed)));
  },

  filters(host, answer) {
    host.append(filterTiles(answer.values));
  },

  image(host, answer) {
    if (answer.frames?.length) {
      const frames = answer.frames.map((frame) => `data:image/png;base64,${frame}`);
      host.append(scrubber(frames, answer.objective ?? [], () => t("the picture that the method made")));
      return;
    }
    const canvas = pictureIn(host);
    paintColours(canvas, answer.values.length, answer.values[0].length, (c, row, column) => answer.values[row][column][c]);
  },

  unknown() {},
};

function pictureIn(host) {
  const canvas = document.createElement("canvas");
  canvas.className = "picture";
  host.append(canvas);
  return canvas;
}

const FACTS = {
  minimum: mark("smallest value"), maximum: mark("largest value"), evidence: mark("evidence (points)"), delta: mark("left over (delta)"),
  steps: mark("steps"), layer: mark("layer"), target: mark("grade explained"), seed: mark("seed"), channel: mark("channel"),
  against: mark("against"),
};
const LISTS = { shape: mark("size of the result"), place: mark("place (row, column)") };

/** The facts of an answer that a listing shows, as [word, text], the text composed where it has words in it. */
function factsOf(answer) {
  const text = (value) => (typeof value === "number" && !Number.isInteger(value) ? figure(value) : String(value));
  const found = Object.entries(FACTS)
    .filter(([name]) => answer[name] !== null && answer[name] !== undefined && typeof answer[name] !== "object")
    .map(([name, word]) => [word, text(answer[name])]);
  for (const [name, word] of Object.entries(LISTS)) if (Array.isArray(answer[name])) found.push([word, answer[name].map(text).join(" × ")]);
  if (answer.model) found.push([mark("model"), () => modelName(answer.model)]);
  if (!answer.logits) return found;
  const logits = Object.entries(answer.logits).map(([grade, value]) => `${grade} ${figure(value)}`);
  return [...found, [mark("points of the grades"), logits.join(", ")]];
}

const ACCEPT = { json: "application/json", npy: "application/x-npy", png: "image/png", overlay: "image/png" };

async function download(kind, answer, asked, trouble) {
  tellTrouble(trouble, null);
  try {
    const more = kind === "overlay" ? { overlay: true } : {};
    const file = await (await fetchAnswer(explainPath({ ...asked, ...more }), { method: "POST", accept: ACCEPT[kind] })).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${[answer.method, answer.layer, answer.target].filter(Boolean).join("-")}${kind === "overlay" ? "-over" : ""}.${kind === "overlay" ? "png" : kind}`;
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    tellTrouble(trouble, problemOf(error));
  }
}
