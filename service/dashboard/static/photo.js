// Photographs. The frame around an image tells the style sheet whether it is loading, shown or missing.

import { words } from "./words.js";

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
export function showPhoto(image, grading, root) {
  if (image.dataset.id === grading.id) return;
  image.dataset.id = grading.id;
  image.alt = grading.grade ? words.photo(grading.grade) : words.photoUngraded;
  frame(image, "loading");
  image.src = `${root}/v1/gradings/${encodeURIComponent(grading.id)}/image`;
}

function frame(image, state) {
  image.parentElement.dataset.photo = state;
}
