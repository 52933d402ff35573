// An inception module: its branches with their widths, and what each of them costs.

import { methods } from "./learn-api.js";
import { options, row } from "./learn-draw.js";
import { modulesOf, workOf } from "./learn-modules.js";
import { attempt } from "./learn-source.js";
import { count, words } from "./learn-words.js";

const at = (id) => document.getElementById(id);
const svg = at("diagram");
const narrow = matchMedia("(max-width: 819px)"); // on a phone the boxes stand closer, so that the letters stay large enough
let modules = modulesOf([]);
let third = 5;

function node(name, attributes, text = "") {
  const made = document.createElementNS(svg.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

function box(x, y, lines, kind) {
  const width = narrow.matches ? 94 : 168;
  const shapes = [node("rect", { x: x - width / 2, y, width, height: 62, rx: 12, class: kind })];
  return [...shapes, ...lines.map((line, number) => node("text", { x, y: y + 27 + number * 22, class: number ? "small" : "" }, line))];
}

function draw() {
  const module = modules[Number(at("module").value)];
  const { branches, total, outputs } = workOf(module, third);
  at("module-name").textContent = module.name;
  const whole = narrow.matches ? 400 : 760;
  const middle = whole / 2;
  svg.setAttribute("viewBox", `0 0 ${whole} 460`);
  const wires = [];
  const boxes = box(middle, 6, [words.maps(module.inputs), `${module.height} × ${module.width}`], "maps");
  branches.forEach(({ steps }, number) => {
    const x = (whole * (number + 0.5)) / 4;
    const places = steps.length === 2 ? [130, 230] : [180];
    wires.push(node("path", { d: `M${middle} 68C${middle} 100 ${x} 96 ${x} ${places[0]}` }));
    if (steps.length === 2) wires.push(node("path", { d: `M${x} 192V230` }));
    wires.push(node("path", { d: `M${x} ${places.at(-1) + 62}C${x} 340 ${middle} 330 ${middle} 392` }));
    steps.forEach((step, place) => boxes.push(...box(x, places[place], [step.name, words.maps(step.channels)], step.macs ? "work" : "pool")));
  });
  boxes.push(...box(middle, 392, [words.maps(outputs), words.stacked], "maps"));
  svg.replaceChildren(...wires, ...boxes);
  at("branches").replaceChildren(
    ...branches.map(({ name, channels, macs }) => row([name, count(channels), count(macs), words.percent(macs / total)])),
    row([words.together, count(outputs), count(total), words.percent(1)]),
  );
  const plain = workOf(module, third, false).total;
  at("without").textContent = words.withoutReduction(count(plain), plain / total);
}

function offer(name) {
  options(at("module"), modules.map((module, number) => [String(number), module.name]), "0");
  at("origin").textContent = name ? words.fromChampion(name) : words.fromPaper;
  for (const button of document.querySelectorAll("[data-third]")) button.setAttribute("aria-pressed", String(Number(button.dataset.third) === third));
  draw();
}

at("module").addEventListener("change", draw);
narrow.addEventListener("change", draw);
for (const button of document.querySelectorAll("[data-third]")) {
  button.addEventListener("click", () => {
    third = Number(button.dataset.third);
    for (const other of document.querySelectorAll("[data-third]")) other.setAttribute("aria-pressed", String(other === button));
    draw();
  });
}
offer(null);

attempt(async () => {
  const network = await methods();
  const own = modulesOf(network.layers);
  if (!own.length || own[0].published) return;
  modules = own;
  third = 3;
  offer(`${network.model.name}, version ${network.model.version}`);
});
