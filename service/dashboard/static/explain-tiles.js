// Maps, filters and pictures as small tiles, on one scale or each on its own.

import { at } from "./dom.js";
import { extremes, paintColours, paintMap, scaleOf } from "./explain-colour.js";
import { tell } from "./explain-say.js";
import { aloneScale } from "./explain-words.js";
import { t } from "./i18n.js";

const FIRST = 32; // a deep layer has a thousand maps: nobody looks at them all, and drawing them takes a while

/** Tiles of maps [[h x w], ...]; `signed` gives them the scale about zero, `scaleWords` composes how to read it. */
export function mapTiles(maps, signed, scaleWords) {
  const [low, high] = extremes(maps);
  return tiles(maps.length, scaleWords, (canvas, index, shared) => {
    paintMap(canvas, maps[index], scaleOf(signed, ...(shared ? [low, high] : extremes(maps[index]))));
  });
}

/** Tiles of filters (N, C, kh, kw): in colour where C is 3, else each of a filter's channels as a tile of its own. */
export function filterTiles(filters) {
  if (filters[0].length !== 3) return mapTiles(filters.flat(), true, () => aloneScale(true));
  const all = boundOf(extremes(filters));
  return tiles(filters.length, null, (canvas, index, shared) => {
    const filter = filters[index];
    const bound = shared ? all : boundOf(extremes(filter));
    paintColours(canvas, filter[0].length, filter[0][0].length, (c, row, column) => 0.5 + filter[c][row][column] / (2 * bound));
  });
}

/** One picture of (3, H, W) or (1, H, W) signed values: grey where zero. */
export function pixelPicture(canvas, pixels) {
  const bound = boundOf(extremes(pixels));
  if (pixels.length === 1) paintMap(canvas, pixels[0], scaleOf(true, -bound, bound));
  else paintColours(canvas, pixels[0].length, pixels[0][0].length, (c, row, column) => 0.5 + pixels[c][row][column] / (2 * bound));
}

function boundOf([low, high]) {
  return Math.max(Math.abs(low), Math.abs(high)) || 1;
}

function tiles(count, scaleWords, draw) {
  const whole = at("tiles").content.firstElementChild.cloneNode(true);
  const [list, more, shared] = [".tile-list", ".more", "input"].map((name) => whole.querySelector(name));
  tell(whole.querySelector(".scale-words"), scaleWords);

  const drawFirst = (number) => {
    list.replaceChildren(
      ...Array.from({ length: number }, (_, index) => {
        const item = at("tile").content.firstElementChild.cloneNode(true);
        item.querySelector("span").textContent = String(index);
        draw(item.querySelector("canvas"), index, shared.checked);
        return item;
      }),
    );
    more.hidden = number === count;
    tell(more, () => t("Show all {count}", { count }));
    tell(whole.querySelector(".count"), () => (number === count ? "" : t("{some} of {all} shown", { some: number, all: count })));
  };
  shared.addEventListener("change", () => drawFirst(list.children.length));
  more.addEventListener("click", () => drawFirst(count));
  drawFirst(Math.min(FIRST, count));
  return whole;
}
