// Pictures of numbers: maps on a canvas, one pixel a cell; small windows as grids of numbers; frames over a cell.

// Blue for negative, orange for positive, told apart in every common colour blindness; white is 0.
const NEGATIVE = [33, 88, 158];
const POSITIVE = [176, 82, 0];
const MOST = [10, 60, 58]; // the dark end of a scale that begins at white

/** The colour of a value, [r, g, b], on a scale of -limit..limit or 0..limit. */
export function colourOf(value, limit, signed) {
  const part = limit > 0 ? Math.min(1, Math.abs(value) / limit) : 0;
  const end = signed ? (value < 0 ? NEGATIVE : POSITIVE) : MOST;
  return end.map((level) => Math.round(255 + (level - 255) * (value < 0 && !signed ? 0 : part)));
}

/** The largest absolute value. */
export function limitOf(map) {
  return Math.max(...map.map((row) => Math.max(...row.map(Math.abs))));
}

/** One map; cells from number `shown` on stay empty. */
export function drawMap(canvas, map, { signed = true, limit = limitOf(map), shown = Infinity } = {}) {
  paint(canvas, map.length, map[0].length, (y, x) =>
    y * map[0].length + x < shown ? colourOf(map[y][x], limit, signed) : null,
  );
}

/** Three maps (or one) of 0..1 as a photograph. */
export function drawPixels(canvas, maps) {
  const colours = maps.length === 3 ? maps : [maps[0], maps[0], maps[0]];
  paint(canvas, maps[0].length, maps[0][0].length, (y, x) => colours.map((map) => Math.round(map[y][x] * 255)));
}

function paint(canvas, height, width, colour) {
  Object.assign(canvas, { width, height });
  canvas.style.setProperty("--shape", `${width} / ${height}`);
  const image = new ImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    const found = colour(Math.floor(place / width), place % width);
    if (found) image.data.set([...found, 255], place * 4);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Lays a frame over cells of a picture that is `high` by `wide` cells. */
export function frame(mark, { y, x, size }, high, wide) {
  const put = (name, part, whole) => mark.style.setProperty(name, `${(100 * part) / whole}%`);
  const [top, left] = [Math.max(0, y), Math.max(0, x)];
  put("top", top, high);
  put("left", left, wide);
  put("height", Math.min(high, y + size) - top, high);
  put("width", Math.min(wide, x + size) - left, wide);
  mark.hidden = false;
}

/** A grid of numbers, coloured by value. `name` says a cell to those who do not see it. */
export function numbers(holder, map, { signed = true, limit = limitOf(map), write = figure, chosen = null } = {}) {
  holder.style.setProperty("--columns", String(map[0].length));
  const cells = map.flatMap((row, y) =>
    row.map((value, x) => {
      const cell = document.createElement("span");
      const colour = colourOf(value, limit, signed);
      cell.textContent = write(value);
      cell.style.setProperty("background-color", `rgb(${colour.join(" ")})`);
      cell.classList.toggle("dark", colour[0] + colour[1] + colour[2] < 400);
      cell.classList.toggle("chosen", chosen !== null && chosen[0] === y && chosen[1] === x);
      return cell;
    }),
  );
  holder.replaceChildren(...cells);
}

/** A number in as few signs as a small cell takes: 1.25, 0.031, 12.5. */
export function figure(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.0005) return value < 0 ? "−0" : "+0";
  return value.toFixed(size < 1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0).replace("-", "−");
}

/** A number with as many places as comparing asks for. */
export function precise(value) {
  return value.toFixed(6).replace("-", "−");
}

/** A difference: 0, or 3.1e-7. */
export function difference(value) {
  return value === 0 ? "0" : value.toExponential(1).replace("-", "−");
}

/** Lets a finger, a mouse or the arrow keys choose a cell of a canvas. `choose` gets [y, x]. */
export function choosable(canvas, current, choose) {
  const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));
  const go = (y, x) => choose([clamp(y, canvas.height), clamp(x, canvas.width)]);
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  canvas.tabIndex = 0;
  canvas.addEventListener("pointerdown", (event) => {
    const box = canvas.getBoundingClientRect();
    go(
      Math.floor(((event.clientY - box.top) / box.height) * canvas.height),
      Math.floor(((event.clientX - box.left) / box.width) * canvas.width),
    );
  });
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [y, x] = current();
    go(y + move[0], x + move[1]);
  });
}

/** A table row: the first text heads it. `labels` name the others where a narrow screen shows the row as a card. */
export function row(texts, labels = []) {
  const line = document.createElement("tr");
  line.append(
    ...texts.map((text, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      cell.textContent = text;
      if (labels[place]) cell.dataset.label = labels[place];
      return cell;
    }),
  );
  return line;
}

/** Options of a select, from [value, text] pairs. */
export function options(select, pairs, chosen) {
  select.replaceChildren(
    ...pairs.map(([value, text]) => {
      const option = document.createElement("option");
      Object.assign(option, { value, textContent: text, selected: value === chosen });
      return option;
    }),
  );
}
