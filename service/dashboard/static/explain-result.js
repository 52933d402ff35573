// The result of a method, drawn by what its values are, with its figures and its raw numbers.

import { explainPath, fetchAnswer, inWords, photographOf } from "./explain-api.js";
import { newOverlay, valueAt } from "./explain-overlay.js";
import { factsOf, scrubber } from "./explain-scrub.js";
import { filterTiles, mapTiles, pixelPicture } from "./explain-tiles.js";
import { paintColours } from "./explain-colour.js";
import { words } from "./explain-words.js";

const at = (id) => document.getElementById(id);

/** Draws an answer of POST /v1/explain into `host`; `asked` is what it was asked with. */
export function showResult(host, answer, asked, grading) {
  const outcome = at("outcome").content.firstElementChild.cloneNode(true);
  host.replaceChildren(outcome);
  const drawn = outcome.querySelector(".drawn");
  (DRAW[answer.kind] ?? DRAW.unknown)(drawn, answer, grading);
  outcome.querySelector(".facts").replaceChildren(
    ...factsOf(answer).map(([word, text]) => {
      const fact = at("fact").content.firstElementChild.cloneNode(true);
      fact.querySelector("dt").textContent = word;
      fact.querySelector("dd").textContent = text;
      return fact;
    }),
  );
  outcome.querySelector(".raw").addEventListener("click", (event) => {
    if (event.target.value) download(event.target.value, answer, asked, outcome.querySelector(".raw-trouble"));
  });
  outcome.querySelector('[value="overlay"]').hidden = answer.kind !== "map" || !asked.grading_id;
}

const DRAW = {
  map(host, answer, grading) {
    const map = { ...answer };
    const overlay = newOverlay(host, (x, y) => {
      const { value, row, column, rows, columns } = valueAt(map, x, y);
      return `${words.readout.value(value)} · ${words.readout.at(row, column, rows, columns)}`;
    });
    overlay.photograph(photographOf(grading.id), words.photoOf(grading.grade), answer.photograph?.width, answer.photograph?.height);
    overlay.draw(map, answer.signed ? words.scale.diverging : words.scale.sequential);
  },

  pixels(host, answer) {
    const canvas = pictureIn(host);
    pixelPicture(canvas, answer.values);
  },

  maps(host, answer) {
    host.append(mapTiles(answer.values, answer.signed, answer.signed ? words.scale.divergingValues : words.scale.sequentialValues));
  },

  filters(host, answer) {
    host.append(filterTiles(answer.values));
  },

  image(host, answer) {
    if (answer.frames?.length) {
      host.append(scrubber(answer.frames.map((frame) => `data:image/png;base64,${frame}`), answer.objective ?? [], answer.method));
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

const ACCEPT = { json: "application/json", npy: "application/x-npy", png: "image/png", overlay: "image/png" };

async function download(kind, answer, asked, trouble) {
  trouble.textContent = "";
  try {
    const more = kind === "overlay" ? { overlay: true } : {};
    const file = await (await fetchAnswer(explainPath({ ...asked, ...more }), { method: "POST", accept: ACCEPT[kind] })).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${[answer.method, answer.layer, answer.target].filter(Boolean).join("-")}${kind === "overlay" ? "-over" : ""}.${kind === "overlay" ? "png" : kind}`;
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    trouble.textContent = inWords(error);
  }
}
