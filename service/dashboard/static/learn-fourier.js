// The discrete Fourier transform as one full matrix and as a product of sparse ones (Cooley and Tukey 1965, radix 2).
// A complex matrix is {size, re, im}, row by row.

/** The n x n matrix of the transform: entry (row, column) is exp(-2 pi i row column / n). */
export function fourierMatrix(size) {
  return matrix(size, (row, column) => turn((row * column) % size, size));
}

/**
 * Sparse factors whose product, in this order, is the matrix of the transform: log2(n) butterflies of two entries a row,
 * the last to act first in the list, then the permutation that sorts the inputs by their reversed bits.
 */
export function fourierFactors(size) {
  const factors = [];
  for (let span = size; span >= 2; span /= 2) factors.push(butterfly(size, span));
  const bits = Math.log2(size);
  factors.push(matrix(size, (row, column) => (column === reversed(row, bits) ? [1, 0] : [0, 0])));
  return factors;
}

/** Joins two transforms of span / 2 into one of `span`, in every block of `span` rows. */
function butterfly(size, span) {
  const half = span / 2;
  return matrix(size, (row, column) => {
    if (Math.floor(row / span) !== Math.floor(column / span)) return [0, 0];
    const [y, x] = [row % span, column % span];
    if (x === y % half) return [1, 0];
    return x === (y % half) + half ? turn(y, span) : [0, 0]; // for y >= half the turn carries the minus sign by itself
  });
}

/** The product of complex matrices, the first one leftmost. Zeros are passed over: that is where the time is saved. */
export function product(factors) {
  return factors.reduce((left, right) => {
    const { size } = left;
    const made = { size, re: new Float64Array(size * size), im: new Float64Array(size * size) };
    for (let row = 0; row < size; row += 1) {
      for (let middle = 0; middle < size; middle += 1) {
        const [a, b] = [left.re[row * size + middle], left.im[row * size + middle]];
        if (a === 0 && b === 0) continue;
        for (let column = 0; column < size; column += 1) {
          const [c, d] = [right.re[middle * size + column], right.im[middle * size + column]];
          made.re[row * size + column] += a * c - b * d;
          made.im[row * size + column] += a * d + b * c;
        }
      }
    }
    return made;
  });
}

/** The largest distance between two entries of the same place. */
export function farthest(one, other) {
  return one.re.reduce((most, re, place) => Math.max(most, Math.hypot(re - other.re[place], one.im[place] - other.im[place])), 0);
}

/** Entries that are not exactly 0. */
export function filled({ re, im }) {
  return re.reduce((count, value, place) => count + (value !== 0 || im[place] !== 0 ? 1 : 0), 0);
}

function matrix(size, entry) {
  const made = { size, re: new Float64Array(size * size), im: new Float64Array(size * size) };
  for (let place = 0; place < size * size; place += 1) {
    [made.re[place], made.im[place]] = entry(Math.floor(place / size), place % size);
  }
  return made;
}

/** exp(-2 pi i part / whole), exact at the quarters, where rounding would leave a stray 1e-16 in place of a zero. */
function turn(part, whole) {
  const quarter = (4 * part) / whole;
  if (Number.isInteger(quarter)) return [[1, 0], [0, -1], [-1, 0], [0, 1]][quarter % 4];
  const angle = (-2 * Math.PI * part) / whole;
  return [Math.cos(angle), Math.sin(angle)];
}

function reversed(number, bits) {
  let turned = 0;
  for (let bit = 0; bit < bits; bit += 1) turned |= ((number >> bit) & 1) << (bits - 1 - bit);
  return turned;
}
