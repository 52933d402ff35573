// Every word that the teaching pages' scripts put on the page. A translation replaces this one object; grade letters and the
// field's own terms are never translated.

const percent = (share) => `${Math.round(share * 100)} %`;
const cut = (value) => Number(value.toPrecision(3)).toString();

export const words = {
  none: "–",
  percent,
  photograph: (name) => `cucumber: ${name}`,
  model: ({ name, version }, architecture) => `${name}, version ${version}: ${architecture}`,
  grading: ({ grade, confidence, received_at: time }) => `${grade}, ${percent(confidence)} sure, ${time.slice(0, 10)} ${time.slice(11, 19)}`,
  sample: (number) => `training photograph ${number}`,
  asking: (layer) => `Asking the network for ${layer} …`,

  colours: ["red", "green", "blue"],
  grey: "grey",
  channel: (number) => `channel ${number}`,
  filter: (number) => `filter ${number}`,
  cell: (y, x) => `row ${y + 1}, column ${x + 1}`,
  product: (name) => `${name}: window × filter, cell by cell`,
  adds: (name, value) => `${name} adds ${value}`,
  others: (count) => (count === 1 ? "the other channel" : `${count} other channels together`),
  play: "Play",
  pause: "Pause",
  sum: "sum of all products",
  bias: (value) => `+ bias ${value} (read off: what the sums lack)`,
  norm: (slope, shift) => `normalisation: × ${slope} + ${shift}`,
  normAnd: "normalisation and ",
  relu: "ReLU: below 0 becomes 0",
  pool: (size, values) => `max of the ${size} × ${size} window: ${values}`,
  agree: (cells, most) => `All ${cells} cells of this map, computed here and by the network: they differ by ${most} at most.`,
  disagree: (cells, most) =>
    `Over the ${cells} cells of this map the two differ by up to ${most}: more than rounding. Something else happens to the photograph before this convolution.`,
  scale: ({ mean, std }) => `less ${mean.map(cut).join(", ")}, divided by ${std.map(cut).join(", ")}.`,
  notLenet: (architecture) => `The network that serves is no LeNet but ${architecture}. The first layers work alike: they are shown here.`,
  noChain: "This network does not begin with a convolution that can be followed cell by cell.",
  places: (count) => (count === 1 ? "the other place" : `${count} other places together`),
  biases: "biases (what no place explains)",
  logit: (grade) => `logit of ${grade}`,
  temperature: (value) => `÷ ${value}`,
  noCam: "This network gives no map of what each place adds, so only its logits are shown.",

  notUsed: (count) => `${count} cells at the right and bottom edge are in no window: the last steps do not fit.`,
  allUsed: "Every cell is in a window.",
  overlap: "Windows overlap: a cell can win more than once.",
  apart: "Windows do not overlap: each cell is looked at once.",
  won: (y, x, value) => `${value}, from ${words.cell(y, x)}`,
  averaged: (count, value) => `${value}, the mean of ${count} cells`,
  poolSame: (layer, most) => `The network's own ${layer} differs from the max map by ${most} at most.`,

  drawn: "Drawn maps, until a network has answered for a cucumber",
  drawnMaps: ["bar", "ramp", "disc", "stripes"],
  firstMaps: (layer, list) => `Maps of ${layer}: channels ${list}, those with the most in them`,
  times: (factor) => `${factor.toFixed(1)} times fewer`,
  more: (factor) => `${factor.toFixed(1)} times more`,
  direct: (square) => `${square} at once`,
  reduce: "1×1 reduction",
  after: (square) => `${square} on what is left`,
  both: "both together",
  without: "without",
  with: "with",

  fromChampion: (name) => `Widths of ${name}, the network that serves here.`,
  fromPaper: "Widths from table 1 of Szegedy et al. 2014. The network that serves here has no inception modules.",
  maps: (number) => `${count(number)} maps`,
  pooling: "3×3 max",
  stacked: "stacked",
  together: "together",
  withoutReduction: (plain, factor) => `Without the 1×1 reductions the module would take ${plain} multiply-accumulates, ${factor.toFixed(1)} times as many, and hand more maps on.`,

  columns: [
    "network", "input", "parameters", "published", "apart", "multiply-accumulates", "published", "apart",
    "fully connected layers", "published", "published top-1, %", "published top-5, %",
  ],
  counting: "Counting …",
  parameters: (value) => `${value} parameters`,
  macs: (value) => `${value} multiply-accumulates`,
  publishedIn: (names, source) => `Published figures of ${names}: ${source}.`,
  parametersTogether: (found, published, same) =>
    published === null ? `${found} parameters.` : `${found} parameters; published: ${published}${same ? ", the same number" : " for 28 × 28 pixels, one colour, ten classes"}.`,
  differs: (part) => `${part > 0 ? "+" : "−"}${cut(Math.abs(part) * 100)} %`,
  sameFigure: "the same",

  butterflies: (count, size) => `${count} butterflies of ${2 * size} entries each, and a permutation`,
  agreeFourier: (most) => `Multiplied out in this browser, the factors differ from the full matrix by ${most} at most.`,
  factor: (number, filled) => `factor ${number}: ${filled} non-zeros`,
  permutation: (filled) => `permutation: ${filled} ones`,
  full: (filled) => `the whole matrix: ${filled} non-zeros`,
  layer: (name, filled) => `${name}: ${filled} non-zeros`,
  convolution: (side) => `convolution, ${side} places`,
  halving: (side) => `pooling, ${side} to ${side / 2}`,
  oneWide: "one fully connected output",
  deep: (number, band) => `${number} convolutions of ${band} weights, with pooling between them`,
  oneWideMaps: (size) => `for comparison: a fully connected layer with ${size} outputs`,
  reach: (filled, size) => `product: ${filled} of ${size} inputs reach the last output`,

  missed: (count, images) => `${count} of ${images} photographs misjudged`,
  checked: (off) => `The confusion matrix has ${off} off its diagonal: the same number.`,
  unchecked: (off, count) => `The confusion matrix has ${off} off its diagonal, but ${count} photographs are listed: the gallery is not whole.`,
  pair: (truth, predicted) => `${truth} → ${predicted}`,
  sureOf: (share) => `${percent(share)} sure`,
  all: "Show all errors",
  only: (truth, predicted, count) => `Only ${truth} taken for ${predicted}: ${count}`,
  everything: (count) => `All ${count}, the surest first`,
  cellName: (truth, predicted, count) => `${count} of ${truth} judged ${predicted}`,

  deletion: "deletion",
  insertion: "insertion",
  randomized: "randomized",
  shows: { reasons: "shows reasons", features: "shows features, not reasons" },
  against: (value, random) => `${cut(value)}, random ${cut(random)}`,
  method: (name) => name.replaceAll("_", " "),
  plain: (value) => cut(value),
  good: "good",
  bad: "poor",
  chance: (area) => `A map that knows nothing would have ${percent(area)} there, the mark on the bar: so much of the picture is fruit.`,
  control: (share) => `The control: cut out and laid back on its own belt, ${percent(share)} keep theirs; what is lost there, the scissors lost.`,
  images: (count) => `measured on ${count} photographs`,
  galleryModel: ({ name, version }, made) => `Gallery of ${name}, version ${version}, made ${made.slice(0, 16).replace("T", " ")}.`,
};

const counts = new Intl.NumberFormat("en");

/** 12345 -> "12,345" */
export function count(value) {
  return counts.format(value);
}

/** 6624904 -> "6.62 M": as tables of networks give them. */
export function big(value) {
  if (value >= 1e9) return `${counts.format(Math.round(value / 1e6))} M`;
  if (value >= 1e6) return `${counts.format(Number((value / 1e6).toPrecision(3)))} M`;
  return counts.format(value);
}
