// One stage of the walk-through: a convolution and what follows it, for one filter and one output cell.

import { choosable, difference, drawMap, drawPixels, figure, frame, limitOf, numbers, options, precise, row } from "./learn-draw.js";
import { contributions, convolve, each, largestDifference, lineBetween, patch, pool, products, range, relu, total } from "./learn-math.js";
import { poolingOf, seenBy, windowOf } from "./learn-network.js";
import { count, words } from "./learn-words.js";

const PLAY_MS = 120;
const LISTED = 8; // input channels with a button of their own
const AGREES = 1e-4; // a larger difference is not rounding

/** Binds a section of the page; `show(given)` fills it. */
export function stageView(section) {
  const find = (name) => section.querySelector(name);
  let given = null;
  let map = null; // of the chosen filter, see `compute`
  let state = { filter: 0, cell: [0, 0], channel: 0 };
  let timer = null;

  /** The whole map of a filter by every step, here and as reported. */
  function compute() {
    const { kernels, reported, window } = given;
    const { first, maps } = seenBy(state.filter, given.maps, kernels);
    const of = (part) => reported[part]?.[state.filter];
    const sums = convolve(maps, kernels[state.filter], window);
    // a convolution with normalisation behind it has no bias; of another it is what the sums lack
    const lacking = of("norm") ? 0 : total(of("convolution").flat()) / sums.flat().length - total(sums.flat()) / sums.flat().length;
    const bias = Math.abs(lacking) < AGREES ? 0 : lacking;
    const convolved = each(sums, (value) => value + bias);
    const line = of("norm") ? lineBetween(of("convolution"), of("norm")) : null;
    const normal = line ? each(convolved, (value) => line.slope * value + line.shift) : convolved;
    const after = of("relu") ? each(normal, relu) : normal;
    const shape = of("pool") ? poolingOf(of("relu") ?? of("norm") ?? of("convolution"), of("pool")) : null;
    return { first, maps, sums, bias, convolved, line, normal, after, shape, pooled: shape ? pool(after, shape) : null };
  }

  /** The channel that adds most to this cell, and all of them with what they add. */
  function addends() {
    const [y, x] = state.cell;
    const added = contributions(map.maps, given.kernels[state.filter], y, x, given.window);
    return added.map((value, channel) => ({ value, channel })).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  }

  const name = (channel) => (given.pixels ? (given.pixels.length === 1 ? words.grey : words.colours[channel]) : words.channel(map.first + channel));

  function draw() {
    const { kernels, pixels, window } = given;
    const { maps } = map;
    const [y, x] = state.cell;
    const size = kernels[0][0].length;
    const here = { y: y * window.stride - window.padding, x: x * window.stride - window.padding, size };
    const shown = timer ? y * map.sums[0].length + x + 1 : Infinity; // sliding: the map grows with the window
    if (pixels) drawPixels(find(".input"), pixels);
    else drawMap(find(".input"), maps[state.channel], { signed: false });
    if (!pixels) find(".input-name").textContent = name(state.channel);
    drawMap(find(".output"), map.sums, { shown });
    drawMap(find(".after"), map.after, { signed: !given.reported.relu, shown });
    const mark = (canvas, cell, wide) => frame(find(`${canvas} + .mark`), cell, wide.length, wide[0].length);
    mark(".input", here, maps[0]);
    mark(".output", { y, x, size: 1 }, map.sums);
    mark(".after", { y, x, size: 1 }, map.after);
    const place = map.shape && pooledPlace();
    find(".has-pool").hidden = !place;
    if (place) {
      drawMap(find(".pooled"), map.pooled.values, { signed: false });
      mark(".pooled", { y: place.y, x: place.x, size: 1 }, map.pooled.values);
    }
    find(".cell").textContent = words.cell(y, x);
    drawProducts();
    chain(place);
  }

  /** The pooled cell that this cell belongs to, with the values of its window. */
  function pooledPlace() {
    const { stride, size, padding } = map.shape;
    const along = (cell, whole) => Math.min(whole - 1, Math.floor((cell + padding) / stride));
    const y = along(state.cell[0], map.pooled.values.length);
    const x = along(state.cell[1], map.pooled.values[0].length);
    const inside = range(size).flatMap((down) => range(size).map((right) => map.after[y * stride - padding + down]?.[x * stride - padding + right]));
    return { y, x, size, values: inside.filter((value) => value !== undefined) };
  }

  function drawProducts() {
    const [y, x] = state.cell;
    const kernel = given.kernels[state.filter][state.channel];
    const seen = patch(map.maps[state.channel], y, x, { ...given.window, size: kernel.length });
    const all = addends();
    numbers(find(".patch"), seen);
    numbers(find(".kernel"), kernel, { limit: Math.max(...given.kernels[state.filter].map(limitOf)) });
    numbers(find(".product"), products(seen, kernel));
    const listed = all.slice(0, LISTED);
    if (!listed.some(({ channel }) => channel === state.channel)) listed[LISTED - 1] = all.find(({ channel }) => channel === state.channel);
    const rest = all.filter((addend) => !listed.includes(addend));
    const buttons = listed.map(({ channel, value }) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: `${name(channel)} ${figure(value)}` });
      button.setAttribute("aria-pressed", String(channel === state.channel));
      button.setAttribute("aria-label", words.adds(name(channel), figure(value)));
      button.addEventListener("click", () => set({ channel }));
      return button;
    });
    const others = document.createElement("span");
    others.textContent = rest.length ? `${words.others(rest.length)} ${figure(total(rest.map(({ value }) => value)))}` : "";
    find(".addends").replaceChildren(...buttons, others);
    find(".equation").textContent = words.product(name(state.channel));
  }

  function chain(place) {
    const [y, x] = state.cell;
    const told = (part) => given.reported[part]?.[state.filter];
    const lines = [];
    const line = (text, computed, reported) =>
      lines.push(row([text, precise(computed), reported === null ? words.none : precise(reported), reported === null ? words.none : difference(Math.abs(computed - reported))]));
    line(words.sum, map.sums[y][x], map.bias ? null : told("convolution")[y][x]);
    if (map.bias) line(words.bias(figure(map.bias)), map.convolved[y][x], told("convolution")[y][x]);
    if (map.line) line(words.norm(figure(map.line.slope), figure(map.line.shift)), map.normal[y][x], told("norm")[y][x]);
    if (told("relu")) line(words.relu, map.after[y][x], told("relu")[y][x]);
    if (place) line(words.pool(place.size, place.values.map(figure).join(", ")), map.pooled.values[place.y][place.x], told("pool")[place.y][place.x]);
    find(".chain tbody").replaceChildren(...lines);
    const most = largestDifference(map.convolved, told("convolution"));
    const said = most < AGREES ? words.agree : words.disagree;
    find(".agree").textContent = said(count(map.sums.length * map.sums[0].length), difference(most));
    find(".agree").classList.toggle("missing", most >= AGREES);
  }

  function set(change) {
    state = { ...state, ...change };
    if ("filter" in change) map = compute();
    if (("filter" in change || "cell" in change) && !timer && !("channel" in change)) state.channel = addends()[0].channel;
    draw();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    find(".play").textContent = words.play;
    find(".play").setAttribute("aria-pressed", "false");
  }

  function next() {
    const [wide, place] = [map.sums[0].length, state.cell[0] * map.sums[0].length + state.cell[1] + 1];
    if (place >= map.sums.length * wide) stop();
    set({ cell: place >= map.sums.length * wide ? state.cell : [Math.floor(place / wide), place % wide] });
  }

  find(".filter").addEventListener("change", () => set({ filter: Number(find(".filter").value) }));
  find(".play").addEventListener("click", () => {
    if (timer) {
      stop();
      draw();
      return;
    }
    const last = state.cell[0] === map.sums.length - 1 && state.cell[1] === map.sums[0].length - 1;
    timer = setInterval(next, PLAY_MS);
    find(".play").textContent = words.pause;
    find(".play").setAttribute("aria-pressed", "true");
    set({ cell: last ? [0, 0] : state.cell });
  });
  const go = (cell) => {
    stop();
    set({ cell });
  };
  for (const canvas of [".output", ".after"]) choosable(find(canvas), () => state.cell, go);
  for (const button of section.querySelectorAll("[data-move]")) {
    button.addEventListener("click", () => {
      const [down, right] = button.dataset.move.split(",").map(Number);
      const clamp = (value, whole) => Math.max(0, Math.min(whole - 1, value));
      go([clamp(state.cell[0] + down, map.sums.length), clamp(state.cell[1] + right, map.sums[0].length)]);
    });
  }

  return {
    show(fresh) {
      stop();
      const window = windowOf(seenBy(0, fresh.maps, fresh.kernels).maps, fresh.kernels[0], fresh.reported.convolution[0]);
      section.hidden = window === null;
      if (!window) return;
      given = { ...fresh, window };
      if (fresh.scale) find(".scale").textContent = fresh.scale;
      find(".has-relu").hidden = !fresh.reported.relu;
      find(".after-name").textContent = fresh.reported.norm ? words.normAnd : "";
      const filter = Math.min(state.filter, fresh.kernels.length - 1);
      options(find(".filter"), range(fresh.kernels.length).map((number) => [String(number), words.filter(number)]), String(filter));
      const [high, wide] = [fresh.reported.convolution[0].length, fresh.reported.convolution[0][0].length];
      set({ filter, cell: [Math.floor(high / 2), Math.floor(wide / 2)] });
    },
    hide() {
      stop();
      section.hidden = true;
    },
  };
}
