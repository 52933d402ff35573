// What the walk-through reads off a network's list of layers and off the maps it reported.

import { convolve, largestDifference, leastSquares, outputs, pool, range } from "./learn-math.js";

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

const FITTED = 8; // filters that the fit below looks at

/**
 * {mean, std} of each channel, read off the maps of the first convolution where the service does not tell: its output is
 * linear in 1 / std and in mean / std.
 */
export function scaleOf(pixels, kernels, reported) {
  const [side, size] = [pixels[0].length, kernels[0][0].length];
  const stride = Math.max(1, Math.round(side / reported[0].length));
  const padding = range(size).find((tried) => outputs(side, size, stride, tried) === reported[0].length) ?? 0;
  const ones = pixels[0].map((line) => line.map(() => 1));
  const filters = range(Math.min(FITTED, kernels.length));
  const column = (map, channel) => filters.flatMap((filter) => convolve([map], [kernels[filter][channel]], { stride, padding }).flat());
  const columns = [...pixels.map(column), ...pixels.map((_, channel) => column(ones, channel))];
  const found = leastSquares(columns, filters.flatMap((filter) => reported[filter].flat()));
  const std = pixels.map((_, channel) => 1 / found[channel]);
  return { std, mean: std.map((value, channel) => -found[pixels.length + channel] * value) };
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

/** A photograph -> {maps, exact}: one map of 0..1 per channel, of the network's input size; not exact where the browser resized it. */
export async function pixelsOf(address, input, placement) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const box = placement ?? { rotated: false, left: 0, top: 0, width: input.width, height: input.height };
  const canvas = Object.assign(document.createElement("canvas"), { width: input.width, height: input.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  const [across, down] = box.rotated ? [box.height, box.width] : [box.width, box.height];
  context.translate(box.left, box.rotated ? box.top + box.height : box.top);
  if (box.rotated) context.rotate(-Math.PI / 2); // the service turns upright photographs to the left
  context.drawImage(image, 0, 0, across, down);
  const colours = channelsOf(context.getImageData(0, 0, input.width, input.height), input);
  const inside = (y, x) => y >= box.top && y < box.top + box.height && x >= box.left && x < box.left + box.width;
  const edge = (y, x) => inside(y, x) && (y === box.top || x === box.left || y === box.top + box.height - 1 || x === box.left + box.width - 1);
  const padded = colours.map((map) => {
    const border = map.flatMap((line, y) => line.filter((_, x) => edge(y, x))).sort((a, b) => a - b);
    const belt = border[Math.floor(border.length / 2)]; // as the service fills what the photograph leaves free
    return map.map((line, y) => line.map((value, x) => (inside(y, x) ? value : belt)));
  });
  const grey = input.channels === 1 ? [padded[0].map((line, y) => line.map((_, x) => (padded[0][y][x] + padded[1][y][x] + padded[2][y][x]) / 3))] : padded;
  return { maps: grey, exact: image.naturalWidth === across && image.naturalHeight === down };
}

function channelsOf({ data }, { width, height }) {
  return range(3).map((channel) => range(height).map((y) => range(width).map((x) => data[(y * width + x) * 4 + channel] / 255)));
}

/** As the network takes it: (value - mean) / std of each channel. */
export function standardised(maps, { mean, std }) {
  return maps.map((map, channel) => map.map((line) => line.map((value) => (value - mean[channel]) / std[channel])));
}
