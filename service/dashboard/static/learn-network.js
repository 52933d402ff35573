// What the walk-through reads off a network's list of layers and off the maps it reported.

import { convolve, largestDifference, outputs, pool, range } from "./learn-math.js";

const PARTS = { Conv2d: "convolution", BatchNorm2d: "norm", ReLU: "relu", MaxPool2d: "pool" };
const ORDER = ["convolution", "norm", "relu", "pool"];
const AGREES = 1e-4;

/** The first stages of a network: a convolution and what directly follows it, each part a layer of the service's list. */
export function stagesOf(layers) {
  const stages = [];
  let step = ORDER.length;
  for (const layer of layers) {
    const part = PARTS[layer.kind];
    if (!part) continue; // a block that ends here; what it is made of was named before it
    if (part === "convolution") stages.push({});
    else if (!stages.length || ORDER.indexOf(part) <= step) break; // not the plain chain any more
    step = ORDER.indexOf(part);
    stages.at(-1)[part] = layer;
    if (stages.length > 2) break;
  }
  return stages.slice(0, 2);
}

/** The maps that a filter looks at, and the number of the first: all of them, or its part where the convolution is split in groups. */
export function seenBy(filter, maps, kernels) {
  const seen = kernels[filter].length;
  const groups = maps.length / seen;
  const first = Math.floor((filter * groups) / kernels.length) * seen;
  return { first, maps: maps.slice(first, first + seen) };
}

/** The stride and padding that lead from maps of `side` cells to a reported map; the padding is the one that fits best. */
export function windowOf(maps, kernels, reported) {
  const [side, size] = [maps[0].length, kernels[0].length];
  const stride = Math.max(1, Math.round(side / reported.length));
  const tried = range(Math.floor(size / 2) + 1)
    .filter((padding) => outputs(side, size, stride, padding) === reported.length)
    .filter((padding) => outputs(maps[0][0].length, size, stride, padding) === reported[0].length)
    .map((padding) => ({ stride, padding, found: convolve(maps, kernels, { stride, padding }) }));
  const off = ({ found }) => largestDifference(found, reported);
  return tried.sort((one, other) => off(one) - off(other))[0] ?? null;
}

/** The pooling that leads from one map to a reported one, or null where none of the usual ones does. */
export function poolingOf(map, reported) {
  const stride = Math.max(1, Math.round(map.length / reported.length));
  const tried = [2, 3].flatMap((size) => [0, 1].flatMap((padding) => [false, true].map((ceil) => ({ size, stride, padding, ceil }))));
  return (
    tried.find((shape) => {
      const { values } = pool(map, shape);
      return values.length === reported.length && values[0].length === reported[0].length && largestDifference(values, reported) < AGREES;
    }) ?? null
  );
}

/** As the network takes it: (value - mean) / std of each channel. */
export function standardised(maps, { mean, std }) {
  return maps.map((map, channel) => map.map((line) => line.map((value) => (value - mean[channel]) / std[channel])));
}
