// The architectures table, computed by the service beside published figures, and the tutorial network layer by layer.

import { at, make } from "./dom.js";
import { number, onLanguage, say, t } from "./i18n.js";
import { architectures } from "./learn-api.js";
import { name, row } from "./learn-draw.js";
import { NONE, big, cut } from "./learn-figures.js";
import { multiplications, total } from "./learn-math.js";
import { attempt } from "./learn-source.js";

const FIELDS = ["side", "colours", "classes"];
let networks = []; // once the service has told

const missing = (value) => value === null || value === undefined;

function drawTable() {
  const labels = [
    "",
    t("input"),
    t("parameters, computed"),
    t("parameters, published"),
    t("apart"),
    t("multiply-accumulates, computed"),
    t("multiply-accumulates, published"),
    t("apart"),
    t("fully connected, computed"),
    t("fully connected, published"),
    t("published accuracy, first choice, %"),
    t("published accuracy, first five, %"),
  ];
  at("networks").replaceChildren(...networks.map((network) => row(cellsOf(network), labels)));
}

function cellsOf({ name: called, size, parameters, macs, fully_connected: connected, published }) {
  const told = published ?? {};
  const figure = (value) => (missing(value) ? NONE : big(value));
  const plain = (value) => String(value ?? NONE);
  return [
    name(called),
    [size[1], size[2], size[0]].join("×"),
    big(parameters),
    figure(told.parameters),
    apart(parameters, told.parameters),
    big(macs),
    figure(told.macs),
    apart(macs, told.macs),
    String(connected),
    plain(told.fully_connected),
    plain(told.top1),
    plain(told.top5),
  ];
}

/** How far the computed figure is from the published one, as a share of that. */
function apart(computed, published) {
  if (missing(published)) return NONE;
  if (computed === published) return t("the same");
  const part = computed / published - 1;
  return `${part > 0 ? "+" : "−"}${cut(Math.abs(part) * 100)}\u00a0%`;
}

function drawSources() {
  const found = new Map();
  for (const { name: called, published } of networks) {
    if (published?.source) found.set(published.source, [...(found.get(published.source) ?? []), called]);
  }
  at("sources").replaceChildren(
    ...[...found].map(([source, names]) =>
      make("li", {}, t("Published figures:"), " ", name(names.join(", ")), " – ", make("cite", { lang: "en", translate: "no" }, source)),
    ),
  );
}

/** AlexNet's work if its convolutions 2, 4 and 5 were not split in two: the maps that each filter does not see come on top. */
function unsplit({ macs }) {
  const unseen = [multiplications(27, 27, 5, 48, 256), multiplications(13, 13, 3, 192, 384), multiplications(13, 13, 3, 192, 256)];
  return macs + total(unseen);
}

/** Two bars a network, each on a scale of its own: parameters and work. */
function drawBars() {
  const most = (part) => Math.max(...networks.map((network) => network[part]));
  const bar = (part, share, text) => {
    const piece = make("i");
    piece.style.setProperty("width", `${Math.max(0.5, 100 * share)}%`);
    return make("span", { "data-part": part }, piece, make("span", {}, text));
  };
  at("scatter").replaceChildren(
    ...networks.flatMap(({ name: called, parameters, macs }) => [
      make("strong", { translate: "no" }, called),
      bar("parameters", parameters / most("parameters"), t("{value} parameters", { value: big(parameters) })),
      bar("macs", macs / most("macs"), t("{value} multiply-accumulates", { value: big(macs) })),
    ]),
  );
}

function drawLayers() {
  const read = (id) => Math.max(1, Math.floor(at(id).valueAsNumber || 1));
  const [side, colours, classes] = FIELDS.map(read);
  const half = Math.floor(side / 2);
  const flat = 64 * Math.floor(half / 2) ** 2;
  const rows = [
    ["C1", 25 * colours * 32, 32, multiplications(side, side, 5, colours, 32)],
    ["C2", 25 * 32 * 64, 64, multiplications(half, half, 5, 32, 64)],
    ["FC1", flat * 1024, 1024, flat * 1024],
    ["FC2", 1024 * classes, classes, 1024 * classes],
  ];
  const sums = [1, 2, 3].map((column) => total(rows.map((cells) => cells[column])));
  at("mnist").replaceChildren(
    ...rows.map(([layer, ...values]) => row([name(layer), ...values.map((value) => number(value))])),
    row([t("together"), ...sums.map((value) => number(value))]),
  );
  compare(sums[0] + sums[1]);
}

/** The tutorial network's parameters beside what was published of it. */
function compare(parameters) {
  const published = networks.find(({ name: called }) => called === "deep-mnist")?.published?.parameters ?? null;
  const values = { found: number(parameters), published: published === null ? NONE : number(published) };
  at("mnist-published").textContent =
    published === null ? t("{found} parameters.", values)
    : published === parameters ? t("{found} parameters; published: {published}, the same number.", values)
    : t("{found} parameters; published: {published} for 28 × 28 pixels, one colour, ten classes.", values);
}

function draw() {
  drawLayers();
  if (!networks.length) return;
  drawTable();
  drawSources();
  drawBars();
  const alexnet = networks.find(({ name: called, size }) => called === "alexnet" && size[1] === 224);
  at("whole").textContent = alexnet
    ? t("Without the split, every filter would see every map, and the work would be {work}: the published figure lies between the two.", { work: big(unsplit(alexnet)) })
    : "";
}

for (const id of FIELDS) at(id).addEventListener("input", drawLayers);
onLanguage(draw);
draw();

attempt(async () => {
  say(at("busy"), "Counting …");
  ({ networks } = await architectures());
  at("table").hidden = false;
  at("work").hidden = false;
  draw();
});
