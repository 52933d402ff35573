// What one filter of a stage makes of its input, step by step, here and as the network reported it. Plain arrays, no page.

import { contributions, convolve, each, lineBetween, pool, range, relu, total } from "./learn-math.js";
import { poolingOf, seenBy } from "./learn-network.js";

export const AGREES = 1e-4; // a larger difference is not rounding

/** The whole map of a filter by every step. `given`: {maps, kernels, window, reported: {convolution, norm, relu, pool}}. */
export function mapOf({ maps: inputs, kernels, window, reported }, filter) {
  const { first, maps } = seenBy(filter, inputs, kernels);
  const of = (part) => reported[part]?.[filter];
  const sums = convolve(maps, kernels[filter], window);
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

/** What each input channel adds to one cell, the most first: [{ value, channel }]. */
export function addendsOf(map, kernels, [y, x], window) {
  const added = contributions(map.maps, kernels, y, x, window);
  return added.map((value, channel) => ({ value, channel })).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
}

/** The pooled cell that a cell belongs to, with the values of its window; null where nothing is pooled. */
export function pooledPlace({ shape, after, pooled }, cell) {
  if (!shape) return null;
  const { stride, size, padding } = shape;
  const along = (place, whole) => Math.min(whole - 1, Math.floor((place + padding) / stride));
  const y = along(cell[0], pooled.values.length);
  const x = along(cell[1], pooled.values[0].length);
  const inside = range(size).flatMap((down) => range(size).map((right) => after[y * stride - padding + down]?.[x * stride - padding + right]));
  return { y, x, size, values: inside.filter((value) => value !== undefined) };
}
