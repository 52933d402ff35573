// The reasons in words and bars: the parts' shares, what hiding changes, the training photographs most alike.

import { at } from "./dom.js";
import { galleryFile } from "./explain-api.js";
import { exactly, tell, tellAttribute } from "./explain-say.js";
import { figure, partName, signed } from "./explain-words.js";
import { label, mark, percent, t } from "./i18n.js";

const METHODS = {
  contrastive_cam: mark("From the very network that graded: what each place adds for this grade, less what it adds for the runner-up."),
  occlusion: mark("By experiment: each part was hidden in turn, and the grade's lead measured again."),
};

/** Fills the page with an answer of /v1/explain/why; `picture` is the overlay that boxes are shown on. */
export function showReasons(why, picture) {
  const shown = { part: null, hidden: false };
  const draw = () => picture.boxes(boxesOf(why, shown));
  at("reasons").hidden = false;
  tell(at("reasons-how"), () => (METHODS[why.method] ? t(METHODS[why.method]) : ""));
  tell(at("reasons-words"), () => (why.additive ? adding : notAdding)({ grade: why.grade, other: why.runner_up }));
  tell(at("on-fruit"), () =>
    typeof why.fruit_share === "number" ? t("{share} of the evidence lies on the fruit.", { share: percent(why.fruit_share) }) : "",
  );
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

const adding = (grades) =>
  t("Each part adds points for {grade} or takes them away for {other}, and they add up exactly. One point more makes {grade} 2.7 times as likely beside {other}.", grades);
const notAdding = (grades) =>
  t("Hiding a part changes the lead of {grade} over {other} by so many points. These do not add up: parts work together.", grades);

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
  if (shown.part?.box) found.push({ box: share(shown.part.box), kind: "part", label: () => partName(shown.part.name) });
  return found;
}

/** Bars that begin where the one before ended, so that the eye adds them up; what does not add up begins at zero. */
function showParts(why, onPart) {
  const rows = why.parts.map((part) => ({ part, name: () => partName(part.name), value: part.share }));
  if (why.additive) {
    rows.push({ name: () => t("before any look at the photograph"), value: why.bias });
    const lead = { grade: why.grade, other: why.runner_up };
    rows.push({ name: () => t("together: {grade} before {other}", lead), value: why.margin, sum: true });
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
      tell(item.querySelector(".name"), row.name);
      tell(item.querySelector(".amount"), () => amount(why, row));
      item.querySelector(".zero").style.left = share(0);
      const fill = item.querySelector(".fill");
      fill.style.left = share(Math.min(row.from, row.to));
      fill.style.width = `${(100 * Math.abs(row.value)) / (high - low || 1)}%`;
      if (row.part?.box) {
        tellAttribute(button, "title", () => t("Show {part} on the photograph", { part: row.name() }));
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

function amount(why, row) {
  if (row.sum) return signed(row.value);
  if (!why.additive) return t("hiding it changes {share}", { share: signed(-row.value) });
  return t("{share} of {margin}", { share: signed(row.value), margin: figure(why.margin) });
}

function showHiding(why, onHide) {
  const button = at("hide-button");
  at("hide").hidden = false;
  const found = why.counterfactual;
  tell(at("hide-words"), () =>
    found
      ? t("Hide this, and it becomes {grade} ({share}).", { grade: found.grade, share: percent(found.confidence) })
      : t("No single hidden area changes the grade."),
  );
  button.hidden = !found;
  const set = (hidden) => {
    button.setAttribute("aria-pressed", String(hidden));
    tell(button, () => (hidden ? t("Show it again") : t("Hide it on the photograph")));
  };
  set(false);
  button.onclick = () => {
    const hidden = button.getAttribute("aria-pressed") !== "true";
    set(hidden);
    onHide(hidden);
  };
}

function showNeighbours(why) {
  at("alike").hidden = false;
  const found = why.neighbours ?? [];
  at("neighbours-none").hidden = found.length > 0;
  at("neighbours-exactly").replaceChildren(...exactly(why.neighbours_hint));
  at("neighbours").replaceChildren(
    ...found.map((neighbour) => {
      const item = at("neighbour").content.firstElementChild.cloneNode(true);
      const image = item.querySelector("img");
      image.src = galleryFile(neighbour.image);
      label(image, "alt", "training photograph graded {grade}", { grade: neighbour.grade });
      item.querySelector(".letters").textContent = neighbour.grade;
      tell(item.querySelector(".similar"), () => t("{share} alike", { share: percent(neighbour.similarity) }));
      return item;
    }),
  );
}
