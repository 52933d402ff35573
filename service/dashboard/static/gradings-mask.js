// Where the fruit is on a photograph, found in the browser for the outline that is drawn over it; no grade depends on it. As the
// service does for its explanations: distance in CIELAB from the belt, whose light is a quadratic surface, and Otsu's threshold.

const LIGHTNESS = 0.5; // weight of a difference of lightness: a shadow differs by lightness alone
const LEAST_CONTRAST = 8; // of fruit against belt, weighted units of CIELAB
const LEAST_SHARE = 0.004; // of the picture
const THINNEST = 0.035; // of the long side: what is thinner is a lane mark, a speck or a wart
const RIM_SHARE = 0.06; // of the short side: there the belt is looked for
const ROUNDS = 3;

/** RGBA of width * height pixels -> Uint8Array of 0 and 1, the fruit; null where nothing stands out. */
export function fruitMask(rgba, width, height) {
  const lab = toLab(rgba);
  const distance = fromBelt(lab, width, height);
  const threshold = otsu(distance);
  const above = opened(Uint8Array.from(distance, (value) => value >= threshold), width, height);
  const region = mostProminent(distance, above, width, height);
  if (!region || region.mean < LEAST_CONTRAST) return null;
  return filled(region.mask, width, height);
}

function toLab(rgba) {
  const found = [];
  const linear = (value) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const root = (value) => (value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116);
  for (let at = 0; at < rgba.length; at += 4) {
    const [r, g, b] = [linear(rgba[at]), linear(rgba[at + 1]), linear(rgba[at + 2])];
    const x = root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    const y = root(0.2126 * r + 0.7152 * g + 0.0722 * b);
    const z = root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    found.push([LIGHTNESS * (116 * y - 16), 500 * (x - y), 200 * (y - z)]);
  }
  return found;
}

/** How far each pixel is from the belt: a surface fitted to the rim, then without what does not look like belt there. */
function fromBelt(lab, width, height) {
  const basis = lab.map((_, at) => {
    const [x, y] = [(at % width) / width - 0.5, Math.floor(at / width) / height - 0.5];
    return [1, x, y, x * x, x * y, y * y];
  });
  const rim = Math.max(1, Math.round(RIM_SHARE * Math.min(width, height)));
  const onRim = (at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    return Math.min(x, y, width - 1 - x, height - 1 - y) < rim;
  };
  const border = lab.map((_, at) => at).filter(onRim);
  let used = border;
  let distance = null;
  for (let round = 0; round < ROUNDS; round += 1) {
    const surface = [0, 1, 2].map((channel) => fitted(used.map((at) => basis[at]), used.map((at) => lab[at][channel])));
    distance = lab.map((pixel, at) => Math.hypot(...pixel.map((value, channel) => value - dot(surface[channel], basis[at]))));
    const middle = border.map((at) => distance[at]).sort((a, b) => a - b)[border.length >> 1];
    const kept = border.filter((at) => distance[at] <= 2.5 * middle + 1);
    if (kept.length > 12) used = kept;
  }
  return distance;
}

const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);

/** Least squares: the weights of the columns of `rows` that come nearest to `values`. */
function fitted(rows, values) {
  const size = rows[0].length;
  const matrix = Array.from({ length: size }, (_, i) => [
    ...Array.from({ length: size }, (__, j) => rows.reduce((sum, row) => sum + row[i] * row[j], i === j ? 1e-9 : 0)),
    rows.reduce((sum, row, at) => sum + row[i] * values[at], 0),
  ]);
  for (let i = 0; i < size; i += 1) {
    const best = matrix.slice(i).reduce((most, row, at) => (Math.abs(row[i]) > Math.abs(matrix[most][i]) ? i + at : most), i);
    [matrix[i], matrix[best]] = [matrix[best], matrix[i]];
    for (let j = 0; j < size; j += 1) {
      if (j === i) continue;
      const share = matrix[j][i] / matrix[i][i];
      for (let k = i; k <= size; k += 1) matrix[j][k] -= share * matrix[i][k];
    }
  }
  return matrix.map((row, i) => row[size] / row[i]);
}

function otsu(values) {
  const top = values.reduce((most, value) => Math.max(most, value), 1e-9);
  const counts = new Array(256).fill(0);
  for (const value of values) counts[Math.min(255, Math.floor((255 * value) / top))] += 1;
  const total = counts.reduce((sum, count, level) => sum + count * level, 0);
  let [below, weighted, best, most] = [0, 0, 0, -1];
  for (let level = 0; level < 255; level += 1) {
    below += counts[level];
    weighted += counts[level] * level;
    const rest = values.length - below;
    if (!below || !rest) continue;
    const gap = weighted / below - (total - weighted) / rest;
    if (below * rest * gap * gap > most) [most, best] = [below * rest * gap * gap, level];
  }
  return ((best + 1) * top) / 255;
}

/** Without what a disc does not fit into (morphological opening). */
function opened(mask, width, height) {
  const radius = Math.round((THINNEST * Math.max(width, height)) / 2);
  const disc = [];
  for (let y = -radius; y <= radius; y += 1) for (let x = -radius; x <= radius; x += 1) if (x * x + y * y <= radius * radius) disc.push([x, y]);
  const spread = (from, wanted) =>
    from.map((_, at) => {
      const [px, py] = [at % width, Math.floor(at / width)];
      return Number(disc.some(([x, y]) => px + x >= 0 && px + x < width && py + y >= 0 && py + y < height && from[at + y * width + x] === wanted));
    });
  return spread(spread(mask, 0).map((value) => 1 - value), 1);
}

/** The region with the most distance on it: { mask, mean }; null where all are specks. */
function mostProminent(distance, above, width, height) {
  const label = new Int32Array(distance.length);
  let best = null;
  distance.forEach((_, start) => {
    if (!above[start] || label[start]) return;
    const pixels = flood([start], (at) => above[at] && !label[at], (at) => (label[at] = start + 1), width, height);
    const sum = pixels.reduce((total, at) => total + distance[at], 0);
    if (pixels.length >= Math.max(4, LEAST_SHARE * distance.length) && sum > (best?.sum ?? 0)) best = { sum, pixels };
  });
  if (!best) return null;
  const mask = new Uint8Array(distance.length);
  for (const at of best.pixels) mask[at] = 1;
  return { mask, mean: best.sum / best.pixels.length };
}

/** Without its holes: glints are part of the fruit. */
function filled(mask, width, height) {
  const outside = new Uint8Array(mask.length);
  const edge = [...mask.keys()].filter((at) => at < width || at >= mask.length - width || at % width === 0 || at % width === width - 1);
  flood(edge.filter((at) => !mask[at]), (at) => !mask[at] && !outside[at], (at) => (outside[at] = 1), width, height);
  return outside.map((value) => 1 - value);
}

/** All pixels that are reached from the first ones over sides; `mark` must make `free` false. */
function flood(starts, free, mark, width, height) {
  const found = [];
  const waiting = [];
  const visit = (at) => {
    if (!free(at)) return;
    mark(at);
    found.push(at);
    waiting.push(at);
  };
  starts.forEach(visit);
  while (waiting.length) {
    const at = waiting.pop();
    const [x, y] = [at % width, Math.floor(at / width)];
    if (x > 0) visit(at - 1);
    if (x < width - 1) visit(at + 1);
    if (y > 0) visit(at - width);
    if (y < height - 1) visit(at + width);
  }
  return found;
}
