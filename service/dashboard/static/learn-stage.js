// One stage of the walk-through: a convolution and what follows it, for one filter and one output cell.

import { make } from "./dom.js";
import { mark, number, onLanguage, say, t, tn } from "./i18n.js";
import { choosable, drawMap, drawPixels, frame, limitOf, numbers, options, press, row } from "./learn-draw.js";
import { NONE, cellWord, channelWord, difference, figure, precise } from "./learn-figures.js";
import { largestDifference, patch, products, range, total } from "./learn-math.js";
import { seenBy, windowOf } from "./learn-network.js";
import { AGREES, addendsOf, mapOf, pooledPlace } from "./learn-stage-sums.js";

const PLAY_MS = 120;
const LISTED = 8; // input channels with a button of their own
const COLOURS = [mark("red"), mark("green"), mark("blue")];

/** Binds a section of the page; `show(given)` fills it. */
export function stageView(section) {
  const find = (name) => section.querySelector(name);
  let given = null;
  let map = null; // of the chosen filter, see learn-stage-sums.js
  let state = { filter: 0, cell: [0, 0], channel: 0 };
  let timer = null;

  const addends = () => addendsOf(map, given.kernels[state.filter], state.cell, given.window);

  function inputWord(channel) {
    if (!given.pixels) return channelWord(map.first + channel);
    return given.pixels.length === 1 ? t("grey") : t(COLOURS[channel]);
  }

  function draw() {
    const { kernels, pixels, window, reported } = given;
    const [y, x] = state.cell;
    const size = kernels[0][0].length;
    const here = { y: y * window.stride - window.padding, x: x * window.stride - window.padding, size };
    const shown = timer ? y * map.sums[0].length + x + 1 : Infinity; // sliding: the map grows with the window
    if (pixels) drawPixels(find(".input"), pixels);
    else drawMap(find(".input"), map.maps[state.channel], { signed: false });
    find(".input-name").textContent = pixels ? "" : `(${inputWord(state.channel)})`;
    drawMap(find(".output"), map.sums, { shown });
    drawMap(find(".after"), map.after, { signed: !reported.relu, shown });
    const lay = (canvas, cell, wide) => frame(canvas.nextElementSibling, cell, wide.length, wide[0].length);
    lay(find(".input"), here, map.maps[0]);
    lay(find(".output"), { y, x, size: 1 }, map.sums);
    lay(find(".after"), { y, x, size: 1 }, map.after);
    const place = pooledPlace(map, state.cell);
    find(".has-pool").hidden = !place;
    if (place) {
      drawMap(find(".pooled"), map.pooled.values, { signed: false });
      lay(find(".pooled"), { y: place.y, x: place.x, size: 1 }, map.pooled.values);
    }
    find(".cell").textContent = cellWord(y, x);
    drawProducts();
    chain(place);
  }

  function drawProducts() {
    const [y, x] = state.cell;
    const kernel = given.kernels[state.filter][state.channel];
    const seen = patch(map.maps[state.channel], y, x, { ...given.window, size: kernel.length });
    const all = addends();
    numbers(find(".patch"), seen);
    numbers(find(".kernel"), kernel, Math.max(...given.kernels[state.filter].map(limitOf)));
    numbers(find(".product"), products(seen, kernel));
    const listed = all.slice(0, LISTED);
    if (!listed.some(({ channel }) => channel === state.channel)) listed[LISTED - 1] = all.find(({ channel }) => channel === state.channel);
    const rest = all.filter((addend) => !listed.includes(addend));
    const focused = find(".addends").contains(document.activeElement);
    const buttons = listed.map(({ channel, value }) => {
      const pressed = String(channel === state.channel);
      const [input, added] = [inputWord(channel), figure(value)];
      const spoken = t("{name} adds {value}", { name: input, value: added });
      const choose = () => set({ channel });
      return make("button", { type: "button", class: "button", "aria-pressed": pressed, "aria-label": spoken, onclick: choose }, `${input} ${added}`);
    });
    const others = tn(rest.length, "the other channel: {sum}", "{count} other channels together: {sum}", { sum: figure(total(rest.map(({ value }) => value))) });
    find(".addends").replaceChildren(...buttons, ...(rest.length ? [make("span", {}, others)] : []));
    if (focused) find(".addends [aria-pressed=true]").focus();
    find(".equation").textContent = t("{name}: window × filter, cell by cell", { name: inputWord(state.channel) });
  }

  function chain(place) {
    const [y, x] = state.cell;
    const told = (part) => given.reported[part]?.[state.filter];
    const lines = [];
    const line = (text, computed, reported) => {
      const beside = reported === null ? [NONE, NONE] : [precise(reported), difference(Math.abs(computed - reported))];
      lines.push(row([text, precise(computed), ...beside]));
    };
    line(t("sum of all products"), map.sums[y][x], map.bias ? null : told("convolution")[y][x]);
    if (map.bias) line(t("+ bias {value} (read off: what the sums lack)", { value: figure(map.bias) }), map.convolved[y][x], told("convolution")[y][x]);
    if (map.line) {
      const norm = t("normalisation: × {slope} + {shift}", { slope: figure(map.line.slope), shift: figure(map.line.shift) });
      line(norm, map.normal[y][x], told("norm")[y][x]);
    }
    if (told("relu")) line(t("ReLU: below 0 becomes 0"), map.after[y][x], told("relu")[y][x]);
    if (place) {
      const values = place.values.map(figure).join(", ");
      line(t("max of the {size} × {size} window: {values}", { size: place.size, values }), map.pooled.values[place.y][place.x], told("pool")[place.y][place.x]);
    }
    find(".chain tbody").replaceChildren(...lines);
    const most = largestDifference(map.convolved, told("convolution"));
    const values = { cells: number(map.sums.length * map.sums[0].length), most: difference(most) };
    find(".agree").textContent =
      most < AGREES
        ? t("All {cells} cells of this map, computed here and by the network: they differ by {most} at most.", values)
        : t(
            "Over the {cells} cells of this map the two differ by up to {most}: more than rounding. Something else happens to the photograph before this convolution.",
            values,
          );
    find(".agree").classList.toggle("missing", most >= AGREES);
  }

  function set(change) {
    state = { ...state, ...change };
    if ("filter" in change) map = mapOf(given, state.filter);
    if (("filter" in change || "cell" in change) && !timer && !("channel" in change)) state.channel = addends()[0].channel;
    draw();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    say(find(".play"), "Play");
    press([find(".play")], null);
  }

  function next() {
    const [wide, place] = [map.sums[0].length, state.cell[0] * map.sums[0].length + state.cell[1] + 1];
    if (place >= map.sums.length * wide) stop();
    set({ cell: place >= map.sums.length * wide ? state.cell : [Math.floor(place / wide), place % wide] });
  }

  function play() {
    const last = state.cell[0] === map.sums.length - 1 && state.cell[1] === map.sums[0].length - 1;
    timer = setInterval(next, PLAY_MS);
    say(find(".play"), "Pause");
    press([find(".play")], find(".play"));
    set({ cell: last ? [0, 0] : state.cell });
  }

  function go(cell) {
    stop();
    set({ cell });
  }

  function words() {
    const { kernels, reported, scale } = given;
    if (scale) find(".scale").textContent = t("Before that, every colour is brought to the same scale: less {mean}, divided by {std}.", scale);
    find(".after-name").textContent = reported.norm ? t("After normalisation and ReLU") : t("After ReLU");
    options(find(".filter"), range(kernels.length).map((each) => [String(each), t("filter {number}", { number: each })]), String(state.filter));
  }

  find(".filter").addEventListener("change", () => set({ filter: Number(find(".filter").value) }));
  find(".play").addEventListener("click", () => (timer ? (stop(), draw()) : play()));
  for (const canvas of [".output", ".after"]) choosable(find(canvas), () => state.cell, go);
  for (const button of section.querySelectorAll("[data-move]")) {
    button.addEventListener("click", () => {
      const [down, right] = button.dataset.move.split(",").map(Number);
      const clamp = (value, whole) => Math.max(0, Math.min(whole - 1, value));
      go([clamp(state.cell[0] + down, map.sums.length), clamp(state.cell[1] + right, map.sums[0].length)]);
    });
  }
  onLanguage(() => given && (words(), draw()));

  return {
    show(fresh) {
      stop();
      const window = windowOf(seenBy(0, fresh.maps, fresh.kernels).maps, fresh.kernels[0], fresh.reported.convolution[0]);
      section.hidden = window === null;
      if (!window) return;
      given = { ...fresh, window };
      find(".has-relu").hidden = !fresh.reported.relu;
      const [high, wide] = [fresh.reported.convolution[0].length, fresh.reported.convolution[0][0].length];
      state.filter = Math.min(state.filter, fresh.kernels.length - 1);
      words();
      set({ filter: state.filter, cell: [Math.floor(high / 2), Math.floor(wide / 2)] });
    },
    hide() {
      stop();
      given = null;
      section.hidden = true;
    },
  };
}
