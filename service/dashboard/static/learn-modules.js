// Inception modules: widths from a network's layers or from the published table, and the work of each branch.

import { multiplications, total } from "./learn-math.js";

// Szegedy et al. 2014, table 1: side of the maps, maps in, #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool projection
const PUBLISHED = {
  "3a": [28, 192, 64, 96, 128, 16, 32, 32],
  "3b": [28, 256, 128, 128, 192, 32, 96, 64],
  "4a": [14, 480, 192, 96, 208, 16, 48, 64],
  "4b": [14, 512, 160, 112, 224, 24, 64, 64],
  "4c": [14, 512, 128, 128, 256, 24, 64, 64],
  "4d": [14, 512, 112, 144, 288, 32, 64, 64],
  "4e": [14, 528, 256, 160, 320, 32, 128, 128],
  "5a": [7, 832, 256, 160, 320, 32, 128, 128],
  "5b": [7, 832, 384, 192, 384, 48, 128, 128],
};

/** The modules of a network, in order; the published ones where it has none. */
export function modulesOf(layers) {
  const shapes = new Map(layers.map(({ name, shape }) => [name, shape]));
  const own = layers
    .filter(({ kind }) => kind === "Inception")
    .map(({ name, shape: [, height, width] }) => {
      const wide = (part) => shapes.get(`${name}.${part}`)[0];
      const inputs = wide("branch4.0"); // the pooling keeps the number of maps
      const widths = ["branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"].map(wide);
      return { name, height, width, inputs, widths, published: false };
    });
  if (own.length) return own;
  return Object.entries(PUBLISHED).map(([name, [side, inputs, ...widths]]) => ({ name, height: side, width: side, inputs, widths, published: true }));
}

/**
 * The four branches with their steps and multiply-accumulates; `reduced` false leaves the 1x1 reductions out. A step has the
 * side of its filter; one without work is the pooling.
 */
export function workOf({ height, width, inputs, widths }, third, reduced = true) {
  const [one, reduce3, three, reduce5, five, projected] = widths;
  const step = (size, from, channels) => ({ size, channels, macs: multiplications(height, width, size, from, channels) });
  const costly = (size, narrow, channels) => (reduced ? [step(1, inputs, narrow), step(size, narrow, channels)] : [step(size, inputs, channels)]);
  const pooling = { size: 3, channels: inputs, macs: 0 };
  const branches = [
    [step(1, inputs, one)],
    costly(3, reduce3, three),
    costly(third, reduce5, five),
    reduced ? [pooling, step(1, inputs, projected)] : [pooling],
  ].map((steps) => ({
    steps,
    channels: steps.at(-1).channels,
    macs: total(steps.map(({ macs }) => macs)),
  }));
  return { branches, total: total(branches.map(({ macs }) => macs)), outputs: total(branches.map(({ channels }) => channels)) };
}
