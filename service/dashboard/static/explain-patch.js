// The arithmetic of one place of a convolution: the patch that it sees, its weights, their products and the sum.

/** The patch (C, kh, kw) that place (row, column) of an h x w output sees of `input` (C, H, W). Beyond the edge is zero. */
export function patchOf(input, [h, w], [kh, kw], row, column) {
  const along = geometry(input[0].length, h, kh);
  const across = geometry(input[0][0].length, w, kw);
  return input.map((map) =>
    Array.from({ length: kh }, (_, y) =>
      Array.from({ length: kw }, (__, x) => map[row * along.stride - along.padding + y]?.[column * across.stride - across.padding + x] ?? 0),
    ),
  );
}

/** Stride and padding of a convolution, from the sizes that it makes. */
function geometry(from, to, kernel) {
  const stride = Math.max(1, Math.round(from / to));
  return { stride, padding: Math.max(0, Math.ceil(((to - 1) * stride + kernel - from) / 2)) };
}

/** The products (C, kh, kw) of a patch and a kernel. */
export function productsOf(patch, kernel) {
  return kernel.map((map, c) => map.map((line, y) => line.map((weight, x) => weight * patch[c][y][x])));
}

/** The sum of nested numbers. */
export function sumOf(values) {
  return Array.isArray(values) ? values.reduce((sum, value) => sum + sumOf(value), 0) : values;
}

/** The bias of a convolution's channel if `input` is what it sees: what its values `map` (h, w) are more than the sums of
 * products, the same at every place. Null where it is not the same: then something else feeds it. */
export function biasOf(input, kernel, map) {
  if (input.length !== kernel.length) return null;
  const [h, w] = [map.length, map[0].length];
  const size = [kernel[0].length, kernel[0][0].length];
  const places = [[0, 0], [h >> 1, w >> 1], [h - 1, w - 1], [h >> 2, w >> 1], [h >> 1, (3 * w) >> 2]];
  const left = places.map(([row, column]) => map[row][column] - sumOf(productsOf(patchOf(input, [h, w], size, row, column), kernel)));
  const spread = Math.max(...left) - Math.min(...left);
  const scale = Math.max(1, ...places.map(([row, column]) => Math.abs(map[row][column])));
  return spread <= 2e-3 * scale ? left[0] : null;
}
