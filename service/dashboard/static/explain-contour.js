// Lines of equal value over a map, so that a picture can be read without its colours.

const LEVELS = [0.25, 0.5, 0.75]; // shares of the largest value

/** Strokes the contour lines of `field` (rows of numbers, spread over the whole canvas); below zero they are dashed. */
export function strokeContours(context, field, bound) {
  const { width, height } = context.canvas;
  const [rows, columns] = [field.length, field[0].length];
  const [across, down] = [width / (columns - 1), height / (rows - 1)];
  for (const sign of [1, -1]) {
    for (const level of LEVELS) {
      const at = sign * level * bound;
      context.beginPath();
      for (let row = 0; row < rows - 1; row += 1) {
        for (let column = 0; column < columns - 1; column += 1) {
          if (sign < 0 && (row + column) % 6 < 3) continue;
          const found = crossings(field, row, column, at);
          for (let each = 0; each + 1 < found.length; each += 2) {
            context.moveTo(found[each][0] * across, found[each][1] * down);
            context.lineTo(found[each + 1][0] * across, found[each + 1][1] * down);
          }
        }
      }
      // dark below light: seen on the fruit and on the belt
      context.strokeStyle = "rgba(20, 28, 22, 0.75)";
      context.lineWidth = 3.2;
      context.stroke();
      context.strokeStyle = "#fffdf7";
      context.lineWidth = 1.4;
      context.stroke();
    }
  }
}

/** Where a line of the value `at` enters and leaves a square of four neighbours (marching squares). */
function crossings(field, row, column, at) {
  const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => [column + x, row + y, field[row + y][column + x] - at]);
  const found = [];
  corners.forEach(([x, y, value], index) => {
    const [nextX, nextY, next] = corners[(index + 1) % 4];
    if (value > 0 === next > 0) return;
    const share = value / (value - next);
    found.push([x + (nextX - x) * share, y + (nextY - y) * share]);
  });
  return found;
}
