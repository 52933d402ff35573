// The large photograph of one grading: larger and smaller by buttons, its outline, and lines around what spoke for the grade.

import { ask } from "./api.js";
import { exactly } from "./dialog.js";
import { at, make } from "./dom.js";
import { strokeContours } from "./explain-contour.js";
import { between, toInput } from "./explain-place.js";
import { outlineOf } from "./gradings-outline.js";
import { onLanguage, t } from "./i18n.js";
import { preparePhoto, showPhoto } from "./photo.js";

const ZOOMS = [1, 2, 4];
const LONG_PX = 720; // of the drawing of lines; the browser scales it to the photograph
const GRID_PX = 5;
const WHY_MS = 60_000; // the first explanation may wait for its worker to start

let zoom = 0; // a place in ZOOMS
let why = null; // the answer, once somebody has asked
let said = () => [];

const [image, sheet, frame] = [at("photo"), at("sheet"), at("frame")];
const pressed = (button, on) => button.setAttribute("aria-pressed", String(on));
const isPressed = (button) => button.getAttribute("aria-pressed") === "true";

/** Shows a grading's photograph. */
export function showLarge(grading) {
  preparePhoto(image);
  image.addEventListener("load", () => {
    pressed(at("outline"), true);
    drawOutline();
  });
  image.addEventListener("error", () => {
    for (const each of document.querySelectorAll(".photo-only")) each.hidden = true;
  });
  at("outline").addEventListener("click", () => {
    pressed(at("outline"), !isPressed(at("outline")));
    drawOutline();
  });
  at("larger").addEventListener("click", () => zoomTo(zoom + 1));
  at("smaller").addEventListener("click", () => zoomTo(zoom - 1));
  at("reasons").hidden = !grading.grade;
  at("reasons").addEventListener("click", () => {
    pressed(at("reasons"), !isPressed(at("reasons")));
    drawReasons(grading);
  });
  onLanguage(() => at("photo-said").replaceChildren(...said()));
  showPhoto(image, grading);
}

/** Zooms in on the fruit, then around the middle of what is seen. */
function zoomTo(wanted) {
  const all = sheet.getBoundingClientRect();
  const seen = (zoom === 0 && sheet.querySelector(".outline .edge")?.getBoundingClientRect()) || frame.getBoundingClientRect();
  const middle = [(seen.left + seen.width / 2 - all.left) / all.width, (seen.top + seen.height / 2 - all.top) / all.height];
  zoom = Math.min(ZOOMS.length - 1, Math.max(0, wanted));
  sheet.style.setProperty("--zoom", ZOOMS[zoom]);
  frame.scrollTo(middle[0] * frame.scrollWidth - frame.clientWidth / 2, middle[1] * frame.scrollHeight - frame.clientHeight / 2);
  at("larger").disabled = zoom === ZOOMS.length - 1;
  at("smaller").disabled = zoom === 0;
}

function say(words) {
  said = words;
  at("photo-said").replaceChildren(...words());
}

function drawOutline() {
  sheet.querySelector(".outline")?.remove();
  if (!isPressed(at("outline"))) return;
  const outline = outlineOf(image);
  if (outline) sheet.append(outline);
  else {
    at("outline").disabled = true;
    pressed(at("outline"), false);
    say(() => [t("No outline: the fruit does not stand out from the belt.")]);
  }
}

async function drawReasons(grading) {
  const lines = at("reason-lines");
  lines.hidden = true;
  say(() => []);
  if (!isPressed(at("reasons"))) return;
  say(() => [t("Looking…")]);
  try {
    why ??= await ask(`/v1/explain/why/${encodeURIComponent(grading.id)}`, { waitMs: WHY_MS });
  } catch (problem) {
    if (!problem.words) throw problem;
    pressed(at("reasons"), false);
    say(() => [make("p", {}, t("What spoke for the grade cannot be shown.")), ...exactly(problem)]);
    return;
  }
  if (!isPressed(at("reasons"))) return;
  if (why.map.weak) {
    say(() => [t("No place of the photograph spoke clearly for this grade.")]);
    return;
  }
  lines.hidden = false;
  stroke(lines, why);
  say(() => [t("Within the lines is what spoke for {grade}; within dashed lines what spoke for {other}.", { grade: why.grade, other: why.runner_up })]);
}

function stroke(canvas, { map, placement }) {
  const aspect = image.naturalWidth / image.naturalHeight;
  [canvas.width, canvas.height] = aspect >= 1 ? [LONG_PX, Math.round(LONG_PX / aspect)] : [Math.round(LONG_PX * aspect), LONG_PX];
  const [columns, rows] = [canvas.width, canvas.height].map((side) => Math.max(2, Math.round(side / GRID_PX)));
  const field = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => between(map.values, ...toInput(placement, column / (columns - 1), row / (rows - 1)))),
  );
  strokeContours(canvas.getContext("2d"), field, Math.max(Math.abs(map.minimum), Math.abs(map.maximum)));
}
