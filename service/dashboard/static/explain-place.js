// Where things are: a photograph, the network's input that it was fitted into, and the maps over that input. Positions are
// fractions 0..1 from the left and the top edge.

const WHOLE = { rotated: false, left: 0, top: 0, width: 1, height: 1, input_width: 1, input_height: 1 };

/** A position on the photograph -> the same position in the network's input. A photograph taller than wide is laid down, turned
 * by 90 degrees against the clock: its top edge comes to the left. */
export function toInput(placement, x, y) {
  const p = placement ?? WHOLE;
  const [u, v] = p.rotated ? [y, 1 - x] : [x, y];
  return [(p.left + u * p.width) / p.input_width, (p.top + v * p.height) / p.input_height];
}

/** The way back; outside 0..1 where the input shows no photograph but padding. */
export function toPhotograph(placement, x, y) {
  const p = placement ?? WHOLE;
  const u = (x * p.input_width - p.left) / p.width;
  const v = (y * p.input_height - p.top) / p.height;
  return p.rotated ? [1 - v, u] : [u, v];
}

/** The cell [row, column] of an h x w map at a position of the input. */
export function cellAt(h, w, x, y) {
  const place = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
  return [place(y, h), place(x, w)];
}

/** The middle of a cell, as a position of the input. */
export function middleOf(h, w, row, column) {
  return [(column + 0.5) / w, (row + 0.5) / h];
}

/** A box [x0, y0, x1, y1] of the input, in its fractions -> of the photograph, cut off at its edges. */
export function boxOnPhotograph(placement, [x0, y0, x1, y1]) {
  const [ax, ay] = toPhotograph(placement, x0, y0);
  const [bx, by] = toPhotograph(placement, x1, y1);
  const cut = (value) => Math.min(1, Math.max(0, value));
  return [cut(Math.min(ax, bx)), cut(Math.min(ay, by)), cut(Math.max(ax, bx)), cut(Math.max(ay, by))];
}

/** The value of an h x w map between the middles of its cells, at a position of the input. */
export function between(values, x, y) {
  const h = values.length;
  const w = values[0].length;
  const row = Math.min(h - 1, Math.max(0, y * h - 0.5));
  const column = Math.min(w - 1, Math.max(0, x * w - 0.5));
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const [below, right] = [Math.min(h - 1, top + 1), Math.min(w - 1, left + 1)];
  const [down, across] = [row - top, column - left];
  return (
    (values[top][left] * (1 - across) + values[top][right] * across) * (1 - down) +
    (values[below][left] * (1 - across) + values[below][right] * across) * down
  );
}
