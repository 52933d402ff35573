async ({ maps, kernels }) => {
  const math = await import("/static/learn-math.js");
  const fourier = await import("/static/learn-fourier.js");
  const made = {};
  for (const size of [2, 4, 8, 16, 32]) {
    const factors = fourier.fourierFactors(size);
    const { re, im } = fourier.product(factors);
    made[size] = { re: [...re], im: [...im], filled: factors.map(fourier.filled) };
  }
  return {
    convolved: math.convolve(maps, kernels, { padding: 1 }),
    most: math.pool(maps[0].slice(0, 6), { size: 2, stride: 2 }, "max").values,
    mean: math.pool(maps[0].slice(0, 6), { size: 2, stride: 2 }, "average").values,
    overlapping: math.pool(maps[0], { size: 3, stride: 2 }, "max").values,
    softmax: math.softmax(maps[0][0]),
    fourier: made,
  };
};
