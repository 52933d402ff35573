// A photograph with a map over it: drawn from raw numbers, read out at any place by mouse, finger or keys.

import { at } from "./dom.js";
import { paint, paintRamp, scaleOf } from "./explain-colour.js";
import { strokeContours } from "./explain-contour.js";
import { between, cellAt, toInput } from "./explain-place.js";
import { tell } from "./explain-say.js";
import { describe, figure, overScale } from "./explain-words.js";
import { photographOf } from "./fruit.js";
import { t } from "./i18n.js";

const LONG_PX = 480; // of the drawing; the browser scales it to the photograph on the page
const FINE_CELLS = 33; // maps with more cells a side than this are ragged: lines around every speck tell nothing
const STEP = 0.02; // of an arrow key, share of the photograph
const TINY_PX = 96;

const hint = () => t("Point at the photograph, tap it, or move with the arrow keys.");

/** A new overlay inside `host`. `onPlace(x, y)` is told each place that is pointed at, and gives a function that composes the
 * words to read out, or null. */
export function newOverlay(host, onPlace) {
  const overlay = at("overlay").content.firstElementChild.cloneNode(true);
  const part = (name) => overlay.querySelector(name);
  const [frame, image, heat, lines, cross] = [".frame", "img", ".heat", ".lines", ".cross"].map(part);
  let place = null; // the position read out, fractions of the photograph
  host.replaceChildren(overlay);

  image.addEventListener("load", () => {
    image.classList.toggle("tiny", image.naturalWidth <= TINY_PX && image.naturalHeight <= TINY_PX);
    shape(image.naturalWidth, image.naturalHeight);
    image.hidden = false;
    part(".not-kept").hidden = true;
  });
  image.addEventListener("error", () => {
    image.hidden = true;
    part(".not-kept").hidden = false;
  });
  for (const button of overlay.querySelectorAll(".opacities button")) {
    button.addEventListener("click", () => {
      overlay.dataset.opacity = button.value;
      for (const each of overlay.querySelectorAll(".opacities button")) each.setAttribute("aria-pressed", String(each === button));
    });
  }

  const point = (event) => {
    const box = frame.getBoundingClientRect();
    moveTo((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  frame.addEventListener("pointermove", point);
  frame.addEventListener("pointerdown", point);
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [x, y] = place ?? [0.5, 0.5];
    moveTo(x + step[0], y + step[1]);
  });

  function shape(width, height) {
    frame.style.setProperty("--aspect", width / height);
    frame.style.setProperty("--width", `${width}px`);
  }

  /** Reads out a place; without x, the one before (after the map has changed). */
  function moveTo(x = place?.[0], y = place?.[1]) {
    if (x === undefined) {
      tell(part(".readout"), hint);
      return;
    }
    place = [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))];
    show(...place, onPlace(...place) ?? hint);
  }

  function show(x, y, compose) {
    place = [x, y];
    cross.hidden = x < 0 || x > 1 || y < 0 || y > 1;
    cross.style.left = `${100 * x}%`;
    cross.style.top = `${100 * y}%`;
    tell(part(".readout"), compose);
  }

  return {
    /** Marks a place that was chosen elsewhere, without telling `onPlace`. */
    show,

    /** A grading's photograph; its `size` {width, height} in pixels gives the frame its shape before it is there. */
    photograph(grading, size) {
      if (size) shape(size.width, size.height);
      describe(image, grading);
      const source = photographOf(grading.id);
      if (image.getAttribute("src") !== source) image.src = source;
    },

    /** Draws a map {values, signed, minimum, maximum, weak, placement}; null takes the drawing away. */
    draw(map) {
      const drawn = map && !map.weak && map.maximum !== map.minimum;
      const scale = drawn ? scaleOf(map.signed, map.minimum, map.maximum, map.evidence) : null;
      part(".weak").hidden = !map || Boolean(drawn);
      tell(part(".weak"), () =>
        map?.weak ? t("Too little evidence to draw: a picture of it would be a picture of noise.") : t("All zero: nothing to draw."),
      );
      for (const name of [".scale", ".heat", ".lines", ".opacities"]) part(name).hidden = !drawn;
      if (drawn) {
        drawMap(heat, lines, map, scale, Number(frame.style.getPropertyValue("--aspect")) || 1);
        paintRamp(part(".ramp canvas"), scale);
        tell(part(".low"), () => figure(scale.low));
        tell(part(".high"), () => figure(scale.high));
        tell(part(".scale-words"), () => overScale(map.signed));
      }
      moveTo();
    },

    /** Boxes on the photograph: [{ box: fractions [x0, y0, x1, y1], kind, label }], `label` composing its text. */
    boxes(found) {
      part(".boxes").replaceChildren(
        ...found.map(({ box: [x0, y0, x1, y1], kind, label }) => {
          const drawn = document.createElement("span");
          drawn.className = `box ${kind}`;
          if (label) tell(drawn, label);
          for (const [side, value] of [["left", x0], ["top", y0], ["width", x1 - x0], ["height", y1 - y0]]) {
            drawn.style[side] = `${100 * value}%`;
          }
          return drawn;
        }),
      );
    },
  };
}

/** The value and the cell of a map at a place of the photograph. */
export function valueAt(map, x, y) {
  const [h, w] = [map.values.length, map.values[0].length];
  const [row, column] = cellAt(h, w, ...toInput(map.placement, x, y));
  return { value: map.values[row][column], row, column, rows: h, columns: w };
}

function drawMap(heat, lines, map, scale, aspect) {
  const [width, height] = aspect >= 1 ? [LONG_PX, LONG_PX / aspect] : [LONG_PX * aspect, LONG_PX];
  for (const canvas of [heat, lines]) [canvas.width, canvas.height] = [Math.max(2, Math.round(width)), Math.max(2, Math.round(height))];
  const context = heat.getContext("2d");
  const picture = context.createImageData(heat.width, heat.height);
  const bound = Math.max(Math.abs(scale.low), Math.abs(scale.high));
  for (let y = 0, offset = 0; y < heat.height; y += 1) {
    for (let x = 0; x < heat.width; x += 1, offset += 4) {
      const place = toInput(map.placement, (x + 0.5) / heat.width, (y + 0.5) / heat.height);
      const value = between(map.values, ...place);
      paint(scale, value, picture.data, offset);
      // covers more where there is more, so that the photograph is seen where there is nothing
      picture.data[offset + 3] = (255 * Math.abs(value)) / bound;
    }
  }
  context.putImageData(picture, 0, 0);
  if (Math.max(map.values.length, map.values[0].length) > FINE_CELLS) return;
  const columns = Math.round(lines.width / 5);
  const rows = Math.max(2, Math.round(lines.height / 5));
  const field = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) =>
      between(map.values, ...toInput(map.placement, column / (columns - 1), row / (rows - 1))),
    ),
  );
  strokeContours(lines.getContext("2d"), field, bound);
}
