// Every word that the scripts of the explaining pages put on a page, and how figures are written there. A translation
// replaces this one object; grade letters and the names of methods and layers are never translated.

const percent = (share) => `${Math.round(share * 100)}\u00a0%`; // a space that does not break

export const words = {
  percent,
  sure: (share) => `${percent(share)} sure`,
  noGrade: "no grade",
  photoOf: (grade) => (grade ? `cucumber graded ${grade}` : "cucumber without a grade"),
  chosen: (grade) => `Chosen: ${grade ?? "no grade"}`,
  verdict: (grade, share, other, otherShare) => `${grade} (${percent(share)}), not ${other} (${percent(otherShare)})`,
  verdictAlone: (grade, share) => `${grade} (${percent(share)})`,
  ungraded: "This photograph got no grade in time, so there is nothing to explain.",
  trouble: {
    unreachable: "The grading computer does not answer. Is it switched on, and its cable in?",
    slow: "No answer came in time.",
    404: "Not found.",
    409: "The network that could explain this is not the one that graded.",
    422: "The service could not use what was asked.",
    429: "Too many explanations at once. Wait a moment, then ask again.",
    503: "Explanations are not available on this computer.",
    504: "The explanation took too long and was stopped. Try fewer steps or a smaller picture.",
    other: (status) => `The service answered with an error (${status}).`,
    retry: (seconds) => `Ask again in ${seconds} s.`,
    valid: (names) => `Possible: ${names.join(", ")}.`,
  },
  busy: "Working…",
  busyLong: "Working… this may take up to a minute.",
  weak: "Too little evidence to draw: a picture of it would be a picture of noise.",
  empty: "All zero: nothing to draw.",
  readout: {
    hint: "Point at the photograph, tap it, or move with the arrow keys.",
    logits: (value) => `${signed(value)} points`,
    value: (value) => figure(value),
    at: (row, column, rows, columns) => `row ${row + 1} of ${rows}, column ${column + 1} of ${columns}`,
    part: (name) => `on: ${name}`,
  },
  scale: {
    diverging: "Red, solid lines: speaks for it. Blue, dashed lines: speaks against it. Clear: neither.",
    divergingValues: "Red: above zero. Blue: below zero. White: zero.",
    sequential: "Yellow and covering: most. Dark and clear: little or none.",
    sequentialValues: "Yellow: most. Green: half. Dark violet: zero.",
  },
  parts: {
    "left end": "left end",
    middle: "middle",
    "right end": "right end",
    belt: "belt (background)",
    bias: "before any look at the photograph",
  },
  partOf: (share, margin) => `${signed(share)} of ${figure(margin)}`,
  sum: (grade, other) => `together: ${grade} before ${other}`,
  additive: (grade, other) =>
    `Each part adds points for ${grade} or takes them away for ${other}, and they add up exactly. One point more makes ${grade} ` +
    `2.7 times as likely beside ${other}.`,
  notAdditive: (grade, other) =>
    `Hiding a part changes the lead of ${grade} over ${other} by so many points. These do not add up: parts work together.`,
  hiding: (share) => `hiding it changes ${signed(-share)}`,
  showPart: (name) => `Show ${name} on the photograph`,
  method: {
    contrastive_cam: "From the very network that graded: what each place adds for this grade, less what it adds for the runner-up.",
    occlusion: "By experiment: each part was hidden in turn, and the grade's lead measured again.",
  },
  hide: (grade, share) => `Hide this, and it becomes ${grade} (${percent(share)}).`,
  hideOn: "Hide it on the photograph",
  hideOff: "Show it again",
  noHide: "No single hidden area changes the grade.",
  onFruit: (share) => `${percent(share)} of the evidence lies on the fruit.`,
  similar: (share) => `${percent(share)} alike`,
  neighbour: (grade) => `training photograph graded ${grade}`,
  noNeighbours: "No training photographs are kept with this model.",
  shows: { reasons: "Shows reasons", features: "Shows features, not reasons" },
  showsLong: {
    reasons: "This method shows reasons: where the grade comes from.",
    features: "This method shows features, not reasons: what the network responds to, whatever the grade.",
  },
  source: (text) => `Published: ${text}`,
  pressShow: "This takes a while: press “Show”.",
  noPhotoNeeded: "This needs no photograph.",
  parameter: (name) => name.replace(/_px$/, " (pixels)").replaceAll("_", " "),
  range: (least, most) => `${least} to ${most}`,
  facts: {
    minimum: "smallest value", maximum: "largest value", evidence: "evidence (points)", delta: "left over (delta)", steps: "steps",
    layer: "layer", target: "grade explained", shape: "size of the result", seed: "seed", channel: "channel", place: "place (row, column)",
    against: "against", model: "model", logits: "points of the grades",
  },
  modelName: (model) => `${model.name}, version ${model.version}`,
  tile: (index) => `${index}`,
  shown: (some, all) => `${some} of ${all} shown`,
  showAll: (count) => `Show all ${count}`,
  frame: (index, count) => `picture ${index + 1} of ${count}`,
  frameValue: (value) => `objective ${figure(value)}`,
  curve: (first, last) => `The objective while the picture was made: from ${figure(first)} to ${figure(last)}.`,
  layerShape: (shape) => (shape.length === 3 ? `${shape[0]} maps of ${shape[1]} × ${shape[2]}` : `${shape[0]} values`),
  receptive: (px, stride) => `each place sees ${px} × ${px} pixels of the input, in steps of ${stride}`,
  beforeRelu: "both signs: not (yet) through a ReLU",
  afterRelu: "zero or more: after a ReLU, or nothing below zero",
  strip: (layer) => `Maps of ${layer}. Arrow keys move the place, Page Up and Page Down change the map, Enter opens the place.`,
  cellTitle: (layer, channel, row, column) => `${layer}, map ${channel}, row ${row + 1}, column ${column + 1}`,
  cellValue: (value) => `value ${figure(value)}`,
  cell: {
    patch: "what it sees", kernel: "weights", product: "seen × weights",
    sum: (sum, bias, value) =>
      Math.abs(bias) < 1e-4
        ? `The products sum to ${figure(sum)}, the value of this place.`
        : `The products sum to ${figure(sum)}. With the bias ${signed(bias)} that is ${figure(value)}, the value of this place.`,
    from: (layer, channels) => `Seen: the ${channels} maps of ${layer}.`,
    fromPhotograph: "Seen: the photograph as it goes into the network, standardised.",
    strongest: (shown, all) => `The ${shown} of ${all} input maps that weigh most are drawn; the sum is over all.`,
    notConvolution: "Patch × kernel is shown for convolutions. This layer is none.",
    unknownInput: "Which layer feeds this convolution is not known here, so only its weights are shown.",
  },
  map: (index) => `map ${index}`,
  inputMap: (index, all) => (all === 3 ? ["red", "green", "blue"][index] : all === 1 ? "grey" : `input map ${index}`),
  dead: "dead",
  deadMeans: "No photograph that the gallery was made with activates them.",
  deadCount: (count) => `${count} dead`,
  structure: ({ trained, random, random_std: spread }) =>
    `Neighbouring weights are alike by ${trained.toFixed(2)} (autocorrelation: 0 none, 1 wholly); with random weights by ` +
    `${random.toFixed(2)}${typeof spread === "number" ? ` ± ${spread.toFixed(2)}` : ""}. ` +
    (trained > random + 3 * (spread ?? 0.04)
      ? `That is ${Math.round((trained - random) / (spread ?? 0.04))} times the spread of random ones away: structure, not noise.`
      : "That is hardly more than noise."),
  filtersOf: (layer) => `The learned filters of ${layer}`,
  optimised: (index) => `picture that drives channel ${index} highest`,
  channel: (index) => `Channel ${index}`,
  statistics: (channel) =>
    `mean ${figure(channel.mean)}, largest ${figure(channel.maximum)}, active at ${percent(channel.active_share)} of places`,
  activation: (value) => `activation ${figure(value)}`,
  crop: "part of a training photograph",
  unprojected: "the same, projected back to the pixels (deconvolution)",
  wholePhotograph: "the whole training photograph",
  activeShort: (share) => `active at ${percent(share)}`,
  deadChannel: "Dead: no photograph that the gallery was made with activates this channel.",
  madeWith: (count, name) => `made with ${count} photographs of ${name}`,
  madeWithout: "made without photographs",
  contribution: {
    weights: "Weights of the last layer: what a unit of this channel adds to each grade's points.",
    gradient_x_activation: "Points that it adds to each grade, on average over the photographs.",
  },
  noContribution: "Not known for this layer.",
  noPicture: "No picture of this channel was made.",
  noFilters: "No picture of the filters: this layer is no convolution.",
  dreamOf: (layer) => `the photograph with what ${layer} sees in it made stronger`,
  none: "–",
};

/** 1.3 -> "+1.3", -0.25 -> "−0.25", 0 -> "0": with its sign. */
export function signed(value) {
  const text = figure(Math.abs(value));
  return Number(text.replace("e", "E")) === 0 ? "0" : (value < 0 ? "−" : "+") + text;
}

/** A number with about three digits: 1234 -> "1234", 0.04567 -> "0.0457", 0.00001 -> "1.0e-5". */
export function figure(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return words.none;
  const size = Math.abs(value);
  const text = size === 0 ? "0" : size >= 100 ? size.toFixed(0) : size >= 1 ? size.toFixed(2) : size >= 0.001 ? size.toPrecision(2) : size.toExponential(1);
  return (value < 0 ? "−" : "") + text;
}

/** A part's name in words; one that this page does not know is shown as it is. */
export function partName(name) {
  return words.parts[name] ?? name;
}
