// What the service's catalogue says of its methods and their parameters (models/explain/catalogue.py), so that it can be said in
// other languages too, names in backticks. A text that is not here is shown as it came, in English.

import { mark } from "./i18n.js";

export const SHOWS = { reasons: mark("Shows reasons"), features: mark("Shows features, not reasons") };

const WHAT = [
  mark("what each place adds to the grade's logit, exactly, from the served graph"),
  mark("why this grade and not the runner-up: the difference of their maps"),
  mark("maps of a layer, weighted by the mean gradient of the logit"),
  mark("`Grad-CAM` that weights each place by its own share"),
  mark("maps of a layer, each place weighted by its own gradient"),
  mark("how much the logit moves when a pixel does"),
  mark("saliency, averaged over noisy copies"),
  mark("gradients summed on the way from an empty picture; they add up"),
  mark("gradient that only passes where it and the activation are positive"),
  mark("guided backprop inside the `Grad-CAM` of a layer"),
  mark("how much the logit falls when a window is hidden"),
  mark("one activation, projected back to the pixels it came from"),
  mark("what every channel of a layer gave"),
  mark("the weights of a convolution"),
  mark("a picture that drives a channel as high as it goes"),
  mark("the photograph, with whatever a layer sees in it made stronger"),
  mark("the other grade; empty: the runner-up"),
  mark("noisy copies"),
  mark("standard deviation of the noise, of a range of 1"),
  mark("of the random numbers"),
  mark("points on the way; doubled until the sum is within 1 %"),
  mark("where the way begins"),
  mark("side of the window; 0: a quarter of the shorter side"),
  mark("step of the window; 0: a quarter of the window"),
  mark("what covers it"),
  mark("which map of the layer; -1: the one that is strongest"),
  mark("row,column in the map; empty: where it is strongest"),
  mark("which map of the layer"),
  mark("two channels, such as 3,17, in place of one"),
  mark("row,column: one place of the map in place of its mean"),
  mark("of the gradient"),
  mark("sizes of the picture, each 1.4 times the one before"),
  mark("for each octave"),
  mark("length of a step, of 255"),
  mark("image prior: share of its distance from grey lost each step"),
  mark("image prior: weight of the total variation"),
  mark("image prior: Gaussian blur between steps"),
  mark("random shift before each step, taken back after it"),
  mark("side of the picture; 0: that of the network's input"),
  mark("pictures kept along the way, for the scrubber"),
];
const KEYS = new Map(WHAT.map((key) => [key.replaceAll("`", ""), key]));

/** The key of a text's translation; undefined where it has none. */
export const keyOf = (what) => KEYS.get(what);
