// The architectures table, computed by the service beside published figures, and the tutorial network layer by layer.

import { architectures } from "./learn-api.js";
import { row } from "./learn-draw.js";
import { multiplications, total } from "./learn-math.js";
import { attempt } from "./learn-source.js";
import { big, count, words } from "./learn-words.js";

const at = (id) => document.getElementById(id);
let tutorial = null; // what was published of "Deep MNIST for Experts", once the service has told

function line({ name, size, parameters, macs, fully_connected: connected, published }) {
  const told = published ?? {};
  const figure = (value) => (value === null || value === undefined ? words.none : big(value));
  const plain = (value) => value ?? words.none;
  const cells = [
    name,
    [size[1], size[2], size[0]].join("×"),
    big(parameters),
    figure(told.parameters),
    apart(parameters, told.parameters),
    big(macs),
    figure(told.macs),
    apart(macs, told.macs),
    connected,
    plain(told.fully_connected),
    plain(told.top1),
    plain(told.top5),
  ];
  return row(cells, words.columns);
}

/** How far the computed figure is from the published one, as a share of that. */
function apart(computed, published) {
  if (published === null || published === undefined) return words.none;
  return computed === published ? words.sameFigure : words.differs(computed / published - 1);
}

function sources(networks) {
  const found = new Map();
  for (const { name, published } of networks) {
    if (published?.source) found.set(published.source, [...(found.get(published.source) ?? []), name]);
  }
  at("sources").replaceChildren(
    ...[...found].map(([source, names]) => {
      const item = document.createElement("li");
      item.textContent = words.publishedIn(names.join(", "), source);
      return item;
    }),
  );
}

/** AlexNet's work if its convolutions 2, 4 and 5 were not split in two: the maps that each filter does not see come on top. */
function unsplit({ macs }) {
  const unseen = [multiplications(27, 27, 5, 48, 256), multiplications(13, 13, 3, 192, 384), multiplications(13, 13, 3, 192, 256)];
  return macs + total(unseen);
}

/** Two bars a network, each on a scale of its own: parameters and work. */
function compare(networks) {
  const most = (part) => Math.max(...networks.map((network) => network[part]));
  const cells = networks.flatMap((network) => {
    const name = document.createElement("strong");
    name.textContent = network.name;
    return [name, ...["parameters", "macs"].map((part) => bar(part, network[part], network[part] / most(part)))];
  });
  at("scatter").replaceChildren(...cells);
}

function bar(part, value, share) {
  const holder = document.createElement("span");
  const piece = document.createElement("i");
  const said = document.createElement("span");
  piece.style.setProperty("width", `${Math.max(0.5, 100 * share)}%`);
  holder.dataset.part = part;
  said.textContent = words[part](big(value));
  holder.append(piece, said);
  return holder;
}

function layers() {
  const read = (id) => Math.max(1, Math.floor(at(id).valueAsNumber || 1));
  const [side, colours, classes] = ["side", "colours", "classes"].map(read);
  const half = Math.floor(side / 2);
  const flat = 64 * Math.floor(half / 2) ** 2;
  const rows = [
    ["C1", 25 * colours * 32, 32, multiplications(side, side, 5, colours, 32)],
    ["C2", 25 * 32 * 64, 64, multiplications(half, half, 5, 32, 64)],
    ["FC1", flat * 1024, 1024, flat * 1024],
    ["FC2", 1024 * classes, classes, 1024 * classes],
  ];
  const sums = [1, 2, 3].map((column) => total(rows.map((cells) => cells[column])));
  at("mnist").replaceChildren(...[...rows, [words.together, ...sums]].map(([name, ...values]) => row([name, ...values.map(count)])));
  const parameters = sums[0] + sums[1];
  const same = tutorial !== null && parameters === tutorial;
  at("mnist-published").textContent = words.parametersTogether(count(parameters), tutorial === null ? null : count(tutorial), same);
}

for (const id of ["side", "colours", "classes"]) at(id).addEventListener("input", layers);
layers();

attempt(async () => {
  at("busy").textContent = words.counting;
  const { networks } = await architectures();
  at("networks").replaceChildren(...networks.map(line));
  sources(networks);
  compare(networks);
  at("table").hidden = false;
  at("work").hidden = false;
  const alexnet = networks.find(({ name, size }) => name === "alexnet" && size[1] === 224);
  if (alexnet) at("whole").textContent = big(unsplit(alexnet));
  tutorial = networks.find(({ name }) => name === "deep-mnist")?.published?.parameters ?? null;
  layers();
});
