// Photographs. The frame around an image tells the style sheet whether it is loading, shown or missing.

import { photographOf } from "./fruit.js";
import { label } from "./i18n.js";

const TINY_PX = 96; // smaller pictures are shown with hard pixels: blurred up, a scratch and a shadow look the same

/** Gives an image its listeners, once. */
export function preparePhoto(image) {
  image.addEventListener("load", () => {
    image.classList.toggle("tiny", image.naturalWidth <= TINY_PX && image.naturalHeight <= TINY_PX);
    frame(image, "shown");
  });
  // photographs are kept only as long as the settings say; a missing one is ordinary
  image.addEventListener("error", () => frame(image, "none"));
}

/** Shows a grading's photograph. The one before stays until this one is here, so nothing blinks. */
export function showPhoto(image, grading) {
  if (name(image, grading)) load(image);
}

const SPARE_PER_S = 10; // photographs of the large fruit a second of all pages together, and half as many of the cards
let pages = 1;

/** How many pages watch the line: together they ask for no more photographs than the service has to spare. */
export function watchedBy(count) {
  pages = Math.max(1, count);
}

/** How long a page waits from one photograph to the next. */
export const photoGapMs = () => (1000 * pages) / SPARE_PER_S;

/**
 * As `showPhoto`, but no more often than the service can spare, after a start of `burst`: on a fast line a card is gone before
 * anybody has seen its photograph, and each one costs the service a little. The newest that are still on the page come first.
 */
export function pacedPhotos(burst) {
  const waiting = new Set();
  let allowed = burst;
  let timer = null;
  const gapMs = () => Math.max(1000 / burst, (2000 * (pages - 1)) / SPARE_PER_S); // one page alone has them all

  function next() {
    allowed = Math.min(burst, allowed + 1);
    for (const image of waiting) if (!image.isConnected) waiting.delete(image);
    const image = [...waiting].at(-1);
    if (image) {
      waiting.delete(image);
      allowed -= 1;
      load(image);
    }
    timer = waiting.size || allowed < burst ? setTimeout(next, gapMs()) : null;
  }

  return (image, grading) => {
    if (!name(image, grading)) return;
    waiting.delete(image);
    if (allowed >= 1) {
      allowed -= 1;
      load(image);
    } else {
      waiting.add(image);
      if (image.parentElement.dataset.photo !== "shown") frame(image, "later");
    }
    timer ??= setTimeout(next, gapMs());
  };
}

/** Whether it is another fruit than before. */
function name(image, grading) {
  if (image.dataset.id === grading.id) return false;
  image.dataset.id = grading.id;
  if (grading.grade) label(image, "alt", "cucumber graded {grade}", { grade: grading.grade });
  else label(image, "alt", "cucumber without a grade");
  return true;
}

function load(image) {
  frame(image, "loading");
  image.src = photographOf(image.dataset.id);
}

function frame(image, state) {
  image.parentElement.dataset.photo = state;
}
