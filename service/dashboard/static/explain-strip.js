// The maps of one layer as a strip of tiles on one canvas (a deep layer has a thousand), with the marked place on another.

import { extremes, paintMap, paintRamp, scaleOf } from "./explain-colour.js";
import { cellAt, middleOf } from "./explain-place.js";
import { beside, sentences, tell, tellTrouble } from "./explain-say.js";
import { aboutLayer, aloneScale, BUSY, figure, place } from "./explain-words.js";
import { t } from "./i18n.js";

const FIRST = 24;
const [TILE_PX, LABEL_PX, GAP_PX] = [72, 18, 8];

/** Fills a section of the page. `on.place(x, y)` is told a position of the input, `on.open(channel, row, column)` a place. */
export function newStrip(section, layer, dead, on) {
  const part = (name) => section.querySelector(name);
  const [base, marks, shared, more, host] = [".maps", ".marks", ".check input", ".more", ".strip-maps"].map(part);
  const [, rows, columns] = layer.shape;
  let answer = null;
  let shown = FIRST;
  let grid = null; // where the tiles lie, in pixels of the page
  let chosen = { channel: 0, x: 0.5, y: 0.5 };

  part(".name").textContent = layer.name;
  part(".layer-kind").textContent = layer.kind;
  tell(part(".about"), () => aboutLayer(layer));
  part(".dead-words").hidden = dead.length === 0;
  tell(part(".dead-words"), () =>
    t("{count} dead (×): {channels}. No photograph that the gallery was made with activates them.", { count: dead.length, channels: dead.join(", ") }),
  );

  function drawMaps() {
    const width = host.clientWidth;
    const tall = Math.max(8, Math.round((TILE_PX * rows) / columns));
    const across = Math.max(1, Math.floor((width + GAP_PX) / (TILE_PX + GAP_PX)));
    const number = Math.min(shown, answer.values.length);
    grid = { across, number, stepX: TILE_PX + GAP_PX, stepY: tall + LABEL_PX + GAP_PX, tall };
    const height = Math.ceil(number / across) * grid.stepY;
    const dense = devicePixelRatio || 1;
    for (const canvas of [base, marks]) {
      [canvas.width, canvas.height] = [Math.round(width * dense), Math.round(height * dense)];
      canvas.style.height = `${height}px`;
    }
    const context = base.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.imageSmoothingEnabled = false;
    context.font = "700 14px Senka, sans-serif";
    const ink = getComputedStyle(section).color;
    const small = document.createElement("canvas");
    const all = scaleOf(answer.signed, answer.minimum, answer.maximum);
    for (let channel = 0; channel < number; channel += 1) {
      const { left, top } = corner(channel);
      const scale = shared.checked ? all : scaleOf(answer.signed, ...extremes(answer.values[channel]));
      paintMap(small, answer.values[channel], scale);
      context.drawImage(small, left, top, TILE_PX, tall);
      context.fillStyle = ink;
      context.fillText(dead.includes(channel) ? `${channel} ×` : String(channel), left, top + tall + 14);
    }
    more.hidden = number === answer.values.length;
    tell(more, () => t("Show all {count}", { count: answer.values.length }));
    part(".ramp").hidden = !shared.checked;
    paintRamp(part(".ramp canvas"), all);
    tell(part(".low"), () => figure(all.low));
    tell(part(".high"), () => figure(all.high));
    drawMarks();
  }

  function corner(channel) {
    return { left: (channel % grid.across) * grid.stepX, top: Math.floor(channel / grid.across) * grid.stepY };
  }

  function drawMarks() {
    if (!grid) return;
    const context = marks.getContext("2d");
    const dense = devicePixelRatio || 1;
    const [row, column] = cellAt(rows, columns, chosen.x, chosen.y);
    const [wide, tall] = [TILE_PX / columns, grid.tall / rows];
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, marks.width, marks.height);
    for (let channel = 0; channel < grid.number; channel += 1) {
      const { left, top } = corner(channel);
      const side = Math.max(6, wide);
      const high = Math.max(6, tall);
      const [x, y] = [left + (column + 0.5) * wide - side / 2, top + (row + 0.5) * tall - high / 2];
      for (const [colour, line] of [["#1c2a20", 4], [channel === chosen.channel ? "#ffd23f" : "#fffdf7", 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = line;
        context.strokeRect(x, y, side, high);
      }
      if (channel === chosen.channel) context.strokeRect(left - 1, top - 1, TILE_PX + 2, grid.tall + 2);
    }
    const value = answer.values[chosen.channel][row][column];
    const index = chosen.channel;
    const which = () => (dead.includes(index) ? t("map {index}, dead", { index }) : t("map {index}", { index }));
    tell(part(".readout"), () => beside(which(), place(row, column, rows, columns), t("value {value}", { value: figure(value) })));
  }

  /** What is under the pointer: a map and a position of the input; null between the tiles. */
  function under(event) {
    const box = base.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const channel = Math.floor(y / grid.stepY) * grid.across + Math.floor(x / grid.stepX);
    const [inside, below] = [(x % grid.stepX) / TILE_PX, (y % grid.stepY) / grid.tall];
    return channel < grid.number && x < grid.across * grid.stepX && inside < 1 && below < 1 ? { channel, x: inside, y: below } : null;
  }

  function point(event) {
    const found = grid && under(event);
    if (!found) return false;
    chosen.channel = found.channel;
    on.place(found.x, found.y);
    return true;
  }

  const open = () => on.open(chosen.channel, ...cellAt(rows, columns, chosen.x, chosen.y));
  base.parentElement.addEventListener("pointermove", point);
  base.parentElement.addEventListener("click", (event) => {
    if (point(event) && event.detail === 2) open();
  });
  part(".open").addEventListener("click", open);
  host.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const turn = { PageUp: -1, PageDown: 1 }[event.key];
    if (!grid || !(step || turn || event.key === "Enter")) return;
    event.preventDefault();
    if (event.key === "Enter") return void open();
    chosen.channel = Math.min(grid.number - 1, Math.max(0, chosen.channel + (turn ?? 0)));
    const [row, column] = cellAt(rows, columns, chosen.x, chosen.y);
    const cut = (value, size) => Math.min(size - 1, Math.max(0, value));
    on.place(...middleOf(rows, columns, cut(row + (step?.[0] ?? 0), rows), cut(column + (step?.[1] ?? 0), columns)));
  });
  shared.addEventListener("change", drawMaps);
  more.addEventListener("click", () => {
    shown = Infinity;
    drawMaps();
  });
  new ResizeObserver(() => answer && drawMaps()).observe(host);

  return {
    layer,
    asked: null, // the promise of the maps, kept by the page

    mark(x, y) {
      chosen = { ...chosen, x, y };
      if (answer) drawMarks();
    },
    show(maps) {
      answer = maps;
      tell(part(".busy"), null);
      part(".drawn").hidden = false;
      tell(part(".scale-words"), () =>
        sentences(
          answer.signed ? t("Both signs: not (yet) through a `ReLU`.") : t("Zero or more: after a `ReLU`, or nothing below zero."),
          aloneScale(answer.signed),
        ),
      );
      drawMaps();
    },
    redraw() {
      if (answer) drawMaps();
    },
    busy() {
      tell(part(".busy"), () => t(BUSY));
    },
    trouble(problem) {
      tell(part(".busy"), null);
      tellTrouble(part(".trouble"), problem);
    },
  };
}
