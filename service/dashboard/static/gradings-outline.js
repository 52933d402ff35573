// The outline of the fruit and the line through its middle, drawn over its photograph.

import { draw } from "./dom.js";
import { fruitMask } from "./gradings-mask.js";

const LONG_PX = 160; // of the picture that is looked at: detail below that is wart and noise
const SLICES = 24; // across the fruit; the middle of each is a point of its centre line
const SMOOTH = [0.25, 0.5, 0.25]; // of three points of the centre line
const EDGE = [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16]; // of five pixels, so that the outline has no steps

/** A drawing of outline and centre line over a loaded image; null where no fruit stands out from the belt. */
export function outlineOf(image) {
  const shrink = Math.min(1, LONG_PX / Math.max(image.naturalWidth, image.naturalHeight));
  const [width, height] = [image.naturalWidth, image.naturalHeight].map((side) => Math.max(1, Math.round(side * shrink)));
  if (Math.min(width, height) < 8) return null;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, width, height);
  const mask = fruitMask(context.getImageData(0, 0, width, height).data, width, height);
  if (!mask) return null;
  const [outline, centre] = [border(mask, width, height), centreLine(mask, width)];
  // dark below light: seen on the fruit and on the belt
  const lines = (name, d) => [`under ${name}`, name].map((line) => draw("path", { class: line, d }));
  return draw(
    "svg",
    { class: "outline", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    lines("edge", outline),
    lines("centre", `M${centre.map((point) => point.map((value) => value.toFixed(2)).join(" ")).join("L")}`),
  );
}

/** Where the smoothed mask is one half, as a path of short strokes (marching squares). */
function border(mask, width, height) {
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : mask[y * width + x]);
  const smooth = (x, y) => {
    let sum = 0;
    EDGE.forEach((across, i) => EDGE.forEach((down, j) => (sum += across * down * at(x + i - 2, y + j - 2))));
    return sum - 0.5;
  };
  const corners = [[0, 0], [1, 0], [1, 1], [0, 1]];
  const found = [];
  for (let y = -1; y < height; y += 1) {
    for (let x = -1; x < width; x += 1) {
      const values = corners.map(([dx, dy]) => smooth(x + dx, y + dy));
      const crossed = [];
      corners.forEach(([dx, dy], i) => {
        const next = (i + 1) % 4;
        if (values[i] > 0 === values[next] > 0) return;
        const share = values[i] / (values[i] - values[next]);
        // the middle of a pixel is half a pixel from its corner
        crossed.push([x + 0.5 + dx + (corners[next][0] - dx) * share, y + 0.5 + dy + (corners[next][1] - dy) * share]);
      });
      for (let i = 0; i + 1 < crossed.length; i += 2)
        found.push(`M${crossed[i].map((value) => value.toFixed(2)).join(" ")}L${crossed[i + 1].map((value) => value.toFixed(2)).join(" ")}`);
    }
  }
  return found.join("");
}

/** Points [x, y] along the middle of the fruit: it is cut across its longest direction, and each cut has its middle. */
function centreLine(mask, width) {
  const points = [];
  mask.forEach((inside, at) => inside && points.push([(at % width) + 0.5, Math.floor(at / width) + 0.5]));
  const mean = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  let [xx, xy, yy] = [0, 0, 0];
  for (const [x, y] of points) {
    xx += (x - mean[0]) ** 2;
    xy += (x - mean[0]) * (y - mean[1]);
    yy += (y - mean[1]) ** 2;
  }
  const angle = Math.atan2(2 * xy, xx - yy) / 2; // of the direction of largest spread
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const turned = points.map(([x, y]) => [(x - mean[0]) * cos + (y - mean[1]) * sin, (y - mean[1]) * cos - (x - mean[0]) * sin]);
  const [low, high] = turned.reduce(([least, most], [along]) => [Math.min(least, along), Math.max(most, along)], [Infinity, -Infinity]);
  const slices = Array.from({ length: SLICES }, () => ({ count: 0, along: 0, across: 0 }));
  for (const [along, across] of turned) {
    const slice = slices[Math.min(SLICES - 1, Math.floor(((along - low) / (high - low || 1)) * SLICES))];
    slice.count += 1;
    slice.along += along;
    slice.across += across;
  }
  const middles = slices.filter((slice) => slice.count).map(({ count, along, across }) => [along / count, across / count]);
  const calm = middles.map(([along, across], at) => {
    const [before, after] = [middles[at - 1]?.[1] ?? across, middles[at + 1]?.[1] ?? across];
    return [along, SMOOTH[0] * before + SMOOTH[1] * across + SMOOTH[2] * after];
  });
  return calm.map(([along, across]) => [mean[0] + along * cos - across * sin, mean[1] + along * sin + across * cos]);
}
