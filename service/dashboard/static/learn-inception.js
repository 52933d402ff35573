// An inception module: its branches with their widths, and what each of them costs.

import { at, draw as svg } from "./dom.js";
import { number, onLanguage, percent, say, t } from "./i18n.js";
import { methods } from "./learn-api.js";
import { options, press, row } from "./learn-draw.js";
import { modulesOf, workOf } from "./learn-modules.js";
import { attempt } from "./learn-source.js";

const narrow = matchMedia("(max-width: 819px)"); // on a phone the boxes stand closer, so that the letters stay large enough
const buttons = [...document.querySelectorAll("[data-third]")];
let modules = modulesOf([]);
let third = 5;

const square = ({ size }) => `${size}×${size}`;
const stepWord = (step) => (step.macs ? square(step) : t("{square} max", { square: square(step) }));
const mapsWord = (count) => t("{count} maps", { count: number(count) });

function box(x, y, lines, kind) {
  const width = narrow.matches ? 94 : 168;
  return [
    svg("rect", { x: x - width / 2, y, width, height: 62, rx: 12, class: kind }),
    ...lines.map((line, place) => svg("text", { x, y: y + 27 + place * 22, class: place ? "small" : "" }, line)),
  ];
}

function diagram(module, branches, outputs) {
  const whole = narrow.matches ? 400 : 760;
  const middle = whole / 2;
  const wires = [];
  const boxes = box(middle, 6, [mapsWord(module.inputs), `${module.height} × ${module.width}`], "maps");
  branches.forEach(({ steps }, branch) => {
    const x = (whole * (branch + 0.5)) / 4;
    const places = steps.length === 2 ? [130, 230] : [180];
    wires.push(svg("path", { d: `M${middle} 68C${middle} 100 ${x} 96 ${x} ${places[0]}` }));
    if (steps.length === 2) wires.push(svg("path", { d: `M${x} 192V230` }));
    wires.push(svg("path", { d: `M${x} ${places.at(-1) + 62}C${x} 340 ${middle} 330 ${middle} 392` }));
    steps.forEach((step, place) => boxes.push(...box(x, places[place], [stepWord(step), mapsWord(step.channels)], step.macs ? "work" : "pool")));
  });
  boxes.push(...box(middle, 392, [mapsWord(outputs), t("stacked")], "maps"));
  at("diagram").setAttribute("viewBox", `0 0 ${whole} 460`);
  at("diagram").replaceChildren(...wires, ...boxes);
}

function draw() {
  const module = modules[Number(at("module").value)];
  const { branches, total, outputs } = workOf(module, third);
  at("module-name").textContent = module.name;
  diagram(module, branches, outputs);
  at("branches").replaceChildren(
    ...branches.map(({ steps, channels, macs }) => row([steps.map(stepWord).join(" → "), number(channels), number(macs), percent(macs / total)])),
    row([t("together"), number(outputs), number(total), percent(1)]),
  );
  const plain = workOf(module, third, false).total;
  at("without").textContent = t(
    "Without the 1×1 reductions the module would take {count} multiply-accumulates, {factor} times as many, and hand more maps on.",
    { count: number(plain), factor: number(plain / total, 1) },
  );
}

/** The modules of a network, or the published ones. */
function offer(model) {
  options(at("module"), modules.map((module, place) => [String(place), module.name]), "0");
  if (model) say(at("origin"), "Widths of `{name}`, version {version}, the network that serves here.", { name: model.name, version: model.version });
  else say(at("origin"), "Widths as published (table 1). The network that serves here has no inception modules.");
  press(buttons, buttons.find(({ dataset }) => Number(dataset.third) === third));
  draw();
}

at("module").addEventListener("change", draw);
narrow.addEventListener("change", draw);
for (const button of buttons) {
  button.addEventListener("click", () => {
    third = Number(button.dataset.third);
    press(buttons, button);
    draw();
  });
}
onLanguage(draw);
offer(null);

attempt(async () => {
  const network = await methods();
  const own = modulesOf(network.layers);
  if (!own.length || own[0].published) return;
  modules = own;
  third = 3;
  offer(network.model);
});
