// The reasons in words and bars: the parts' shares, what hiding changes, the training photographs most alike.

import { galleryFile } from "./explain-api.js";
import { partName, signed, words } from "./explain-words.js";

const at = (id) => document.getElementById(id);

/** Fills the page with an answer of /v1/explain/why; `picture` is the overlay that boxes are shown on. */
export function showReasons(why, picture) {
  const shown = { part: null, hidden: false };
  const draw = () => picture.boxes(boxesOf(why, shown));
  at("reasons").hidden = false;
  at("reasons-how").textContent = words.method[why.method] ?? "";
  at("reasons-words").textContent = (why.additive ? words.additive : words.notAdditive)(why.grade, why.runner_up);
  at("on-fruit").textContent = typeof why.fruit_share === "number" ? words.onFruit(why.fruit_share) : "";
  showParts(why, (part) => {
    shown.part = shown.part === part ? null : part;
    draw();
    return shown.part;
  });
  showHiding(why, (hidden) => {
    shown.hidden = hidden;
    draw();
  });
  showNeighbours(why);
  draw();
}

/** The part of the fruit at a place of the photograph: the smallest of those whose box holds it. */
export function partAt(why, x, y) {
  const [px, py] = [x * why.photograph.width, y * why.photograph.height];
  const holding = why.parts.filter(({ box }) => box && px >= box[0] && px <= box[2] && py >= box[1] && py <= box[3]);
  const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
  return holding.sort((one, other) => area(one) - area(other))[0] ?? why.parts.find(({ name }) => name === "belt") ?? null;
}

function boxesOf(why, shown) {
  const share = ([x0, y0, x1, y1]) => {
    const { width, height } = why.photograph;
    return [x0 / width, y0 / height, x1 / width, y1 / height];
  };
  const found = [];
  if (why.counterfactual) found.push({ box: share(why.counterfactual.box), kind: shown.hidden ? "covering" : "hiding" });
  if (shown.part?.box) found.push({ box: share(shown.part.box), kind: "part", label: partName(shown.part.name) });
  return found;
}

/** Bars that begin where the one before ended, so that the eye adds them up; what does not add up begins at zero. */
function showParts(why, onPart) {
  const rows = why.parts.map((part) => ({ part, name: partName(part.name), value: part.share }));
  if (why.additive) {
    rows.push({ name: words.parts.bias, value: why.bias });
    rows.push({ name: words.sum(why.grade, why.runner_up), value: why.margin, sum: true });
  }
  let reached = 0;
  for (const row of rows) {
    row.from = why.additive && !row.sum ? reached : 0;
    row.to = row.from + row.value;
    reached = row.to;
  }
  const low = Math.min(0, ...rows.map((row) => Math.min(row.from, row.to)));
  const high = Math.max(0, ...rows.map((row) => Math.max(row.from, row.to)));
  const share = (value) => `${(100 * (value - low)) / (high - low || 1)}%`;

  at("parts").replaceChildren(
    ...rows.map((row) => {
      const item = at("part").content.firstElementChild.cloneNode(true);
      const button = item.querySelector("button");
      item.dataset.sign = row.value < 0 ? "against" : "for";
      item.dataset.row = row.sum ? "sum" : row.part ? "part" : "bias";
      item.querySelector(".name").textContent = row.name;
      item.querySelector(".amount").textContent = row.sum
        ? signed(row.value)
        : why.additive ? words.partOf(row.value, why.margin) : words.hiding(row.value);
      item.querySelector(".zero").style.left = share(0);
      const fill = item.querySelector(".fill");
      fill.style.left = share(Math.min(row.from, row.to));
      fill.style.width = `${(100 * Math.abs(row.value)) / (high - low || 1)}%`;
      if (row.part?.box) {
        button.title = words.showPart(row.name);
        button.addEventListener("click", () => {
          const chosen = onPart(row.part);
          for (const each of at("parts").querySelectorAll("button")) each.setAttribute("aria-pressed", String(each === button && chosen === row.part));
        });
      } else {
        button.disabled = true;
        button.removeAttribute("aria-pressed");
      }
      return item;
    }),
  );
}

function showHiding(why, onHide) {
  const button = at("hide-button");
  at("hide").hidden = false;
  at("hide-words").textContent = why.counterfactual ? words.hide(why.counterfactual.grade, why.counterfactual.confidence) : words.noHide;
  button.hidden = !why.counterfactual;
  const set = (hidden) => {
    button.setAttribute("aria-pressed", String(hidden));
    button.textContent = hidden ? words.hideOff : words.hideOn;
  };
  set(false);
  button.onclick = () => {
    const hidden = button.getAttribute("aria-pressed") !== "true";
    set(hidden);
    onHide(hidden);
  };
}

function showNeighbours(why) {
  document.querySelector(".alike").hidden = false;
  const found = why.neighbours ?? [];
  at("neighbours-hint").hidden = found.length > 0;
  at("neighbours-hint").textContent = why.neighbours_hint ?? words.noNeighbours;
  at("neighbours").replaceChildren(
    ...found.map((neighbour) => {
      const item = at("neighbour").content.firstElementChild.cloneNode(true);
      item.querySelector("img").src = galleryFile(neighbour.image);
      item.querySelector("img").alt = words.neighbour(neighbour.grade);
      item.querySelector(".letters").textContent = neighbour.grade;
      item.querySelector(".similar").textContent = words.similar(neighbour.similarity);
      return item;
    }),
  );
}
