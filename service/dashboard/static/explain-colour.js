// Numbers to colours. Both scales grow evenly in lightness, so that equal steps of a value look like equal steps, and are told
// apart in every common kind of colour blindness. Zero always has the same colour: a scale is never stretched to fill itself.
// They are the scales of the service's own pictures (models/explain/pictures.py).

const SEQUENTIAL = [ // viridis (van der Walt and Smith 2015), at every eighth
  [68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
];
const DIVERGING = [ // blue, white, red: straight lines in CIELAB, as dark at one end as at the other
  [0, 100, 185], [96, 134, 201], [151, 170, 217], [198, 207, 232], [246, 246, 246], [241, 197, 191], [229, 150, 139], [212, 100, 90], [189, 39, 43],
];
const FULL_LOGITS = 0.5; // evidence that is drawn in full colour; less of it looks like less

function table(stops) {
  return Uint8ClampedArray.from({ length: 256 * 3 }, (_, index) => {
    const place = (Math.floor(index / 3) / 255) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(place));
    const [from, to] = [stops[low][index % 3], stops[low + 1][index % 3]];
    return from + (to - from) * (place - low);
  });
}

const TABLES = { sequential: table(SEQUENTIAL), diverging: table(DIVERGING) };

/** The scale for values from `minimum` to `maximum`: about zero for signed ones, from zero (or below) upwards for others.
 * `evidence` in logits, where it is known and small, widens it. */
export function scaleOf(signed, minimum, maximum, evidence = null) {
  const wider = evidence === null ? 1 : Math.max(1, FULL_LOGITS / Math.max(evidence, 1e-6));
  const bound = wider * Math.max(Math.abs(minimum), Math.abs(maximum));
  return signed ? { signed, low: -bound, high: bound } : { signed, low: Math.min(0, minimum), high: wider * Math.max(0, maximum) };
}

/** Writes the colour of a value into RGBA bytes. */
export function paint(scale, value, bytes, offset) {
  const colours = scale.signed ? TABLES.diverging : TABLES.sequential;
  const share = scale.high > scale.low ? (value - scale.low) / (scale.high - scale.low) : scale.signed ? 0.5 : 0;
  const from = 3 * Math.round(255 * Math.min(1, Math.max(0, share)));
  bytes[offset] = colours[from];
  bytes[offset + 1] = colours[from + 1];
  bytes[offset + 2] = colours[from + 2];
  bytes[offset + 3] = 255;
}

/** Whether white reads better than black on a colour (WCAG's relative luminance: from 0.179 on it is black). */
export function isDeep([red, green, blue]) {
  const linear = (value) => ((value / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue) < 0.179;
}

/** Draws the scale itself, low end at the left. */
export function paintRamp(canvas, scale) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, 1);
  for (let x = 0; x < canvas.width; x += 1) {
    paint(scale, scale.low + ((scale.high - scale.low) * x) / (canvas.width - 1), picture.data, 4 * x);
  }
  for (let y = 0; y < canvas.height; y += 1) context.putImageData(picture, 0, y);
}

/** Draws an h x w map, one pixel a cell. */
export function paintMap(canvas, values, scale) {
  canvas.height = values.length;
  canvas.width = values[0].length;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  let offset = 0;
  for (const row of values) for (const value of row) paint(scale, value, picture.data, (offset += 4) - 4);
  context.putImageData(picture, 0, 0);
}

/** Draws h x w places of red, green and blue; `share` turns (channel, row, column) into 0..1. */
export function paintColours(canvas, h, w, share) {
  canvas.height = h;
  canvas.width = w;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(w, h);
  for (let row = 0, offset = 0; row < h; row += 1) {
    for (let column = 0; column < w; column += 1, offset += 4) {
      for (let channel = 0; channel < 3; channel += 1) picture.data[offset + channel] = 255 * share(channel, row, column);
      picture.data[offset + 3] = 255;
    }
  }
  context.putImageData(picture, 0, 0);
}

/** The smallest and largest of nested numbers. */
export function extremes(values) {
  let [low, high] = [Infinity, -Infinity];
  const look = (value) => {
    if (Array.isArray(value)) value.forEach(look);
    else [low, high] = [Math.min(low, value), Math.max(high, value)];
  };
  look(values);
  return [low, high];
}
