// The arithmetic of the teaching pages: plain arrays in, plain arrays out. No DOM and no network here.
// A map is an array of rows; several maps are an array of them, one per channel.

/** The window of one map that an output cell looks at; places outside the map are 0, as the network pads. */
export function patch(map, y, x, { size, stride = 1, padding = 0 }) {
  const [top, left] = [y * stride - padding, x * stride - padding];
  return range(size).map((row) => range(size).map((column) => map[top + row]?.[left + column] ?? 0));
}

/** Element by element. */
export function products(one, other) {
  return one.map((row, y) => row.map((value, x) => value * other[y][x]));
}

export function sum(map) {
  return map.reduce((total, row) => row.reduce((part, value) => part + value, total), 0);
}

/** What each input channel adds to one output cell. `kernels`: one square kernel per channel. */
export function contributions(maps, kernels, y, x, window) {
  const shape = { ...window, size: kernels[0].length };
  return maps.map((map, channel) => sum(products(patch(map, y, x, shape), kernels[channel])));
}

/** A whole output map of a convolution (as networks define it: a correlation, the kernel is not turned round). */
export function convolve(maps, kernels, { stride = 1, padding = 0 } = {}) {
  const size = kernels[0].length;
  const high = outputs(maps[0].length, size, stride, padding);
  const wide = outputs(maps[0][0].length, size, stride, padding);
  return range(high).map((y) => range(wide).map((x) => total(contributions(maps, kernels, y, x, { stride, padding }))));
}

/** How many places a window of `size` has along a side. `ceil` counts a last window that hangs over the edge. */
export function outputs(side, size, stride, padding = 0, ceil = false) {
  const steps = (side + 2 * padding - size) / stride;
  if (!ceil) return Math.floor(steps) + 1;
  const places = Math.ceil(steps) + 1;
  return (places - 1) * stride >= side + padding ? places - 1 : places; // the last window must begin inside
}

/** Pooling of one map: `values`, and `winners` ([y, x] of the largest cell of each window). Cells outside do not take part. */
export function pool(map, { size, stride, padding = 0, ceil = false }, kind = "max") {
  const high = outputs(map.length, size, stride, padding, ceil);
  const wide = outputs(map[0].length, size, stride, padding, ceil);
  const windows = range(high).map((y) => range(wide).map((x) => cells(map, y * stride - padding, x * stride - padding, size)));
  const best = (window) => window.reduce((top, cell) => (cell.value > top.value ? cell : top));
  const mean = (window) => window.reduce((part, cell) => part + cell.value, 0) / window.length;
  return {
    values: windows.map((row) => row.map((window) => (kind === "max" ? best(window).value : mean(window)))),
    winners: windows.map((row) => row.map((window) => [best(window).y, best(window).x])),
  };
}

function cells(map, top, left, size) {
  return range(size * size)
    .map((place) => ({ y: top + Math.floor(place / size), x: left + (place % size) }))
    .filter(({ y, x }) => map[y]?.[x] !== undefined)
    .map(({ y, x }) => ({ y, x, value: map[y][x] }));
}

/** One map from several: a 1x1 convolution. */
export function mix(maps, weights) {
  return maps[0].map((row, y) => row.map((_, x) => total(maps.map((map, channel) => map[y][x] * weights[channel]))));
}

export function each(map, change) {
  return map.map((row) => row.map(change));
}

export const relu = (value) => Math.max(0, value);

/** Logits -> probabilities that sum to 1. */
export function softmax(logits) {
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  return powers.map((power) => power / total(powers));
}

/** The largest difference between two maps of one shape. */
export function largestDifference(one, other) {
  return Math.max(...one.map((row, y) => Math.max(...row.map((value, x) => Math.abs(value - other[y][x])))));
}

/** The straight line to = slope * from + shift through the cells of two maps, by least squares. */
export function lineBetween(from, to) {
  const [xs, ys] = [from.flat(), to.flat()];
  const [x, y] = [total(xs) / xs.length, total(ys) / ys.length];
  const spread = total(xs.map((value) => (value - x) ** 2));
  const slope = spread > 0 ? total(xs.map((value, place) => (value - x) * (ys[place] - y))) / spread : 0;
  return { slope, shift: y - slope * x };
}

/** Multiply-accumulates of a convolution: every output cell of every channel sums size * size * inputs products. */
export function multiplications(height, width, size, inputs, channels) {
  return height * width * size * size * inputs * channels;
}

export function total(values) {
  return values.reduce((part, value) => part + value, 0);
}

export function range(count) {
  return Array.from({ length: count }, (_, place) => place);
}
