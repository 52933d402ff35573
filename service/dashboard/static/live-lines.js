// Which line to look at, and what each line and camera does: a button for each, with its state in a word, a sign and a colour.

import { make, sign } from "./dom.js";
import { duration, number, onLanguage, t } from "./i18n.js";

const RUNNING_MS = 15_000;
const TODAY_MS = 12 * 3_600_000;
const CAMERAS = 2;

function stateOf(seen, now) {
  const quietMs = seen.last_received_at ? now - Date.parse(seen.last_received_at) : Infinity;
  if (quietMs < RUNNING_MS) return { name: "running", word: t("{count}/min", { count: number(seen.per_minute) }) };
  if (quietMs < TODAY_MS) return { name: "waiting", word: t("quiet for {time}", { time: duration(quietMs) }) };
  return { name: "stopping", word: t("no fruit today") };
}

/** `choose(name)` is called with a line's name, or null for all of them. */
export function lineChoice(place, choose) {
  let shown = null;
  let drawn = "";

  const words = (line, now) => [line.name, line.lot, line.grower, stateOf(line, now), line.cameras.map((each) => [each.name, stateOf(each, now)])];

  function button(name, chosen, ...children) {
    const one = make("button", { type: "button", class: "line", "aria-pressed": String(chosen), onclick: () => choose(name) });
    one.append(...children.filter(Boolean));
    return one;
  }

  function lineButton(line, chosen, now) {
    const state = stateOf(line, now);
    const cameras = line.cameras.slice(0, CAMERAS).map((camera) => {
      const its = stateOf(camera, now);
      return make(
        "span",
        { class: "camera", "data-state": its.name },
        sign(`phase-${its.name}`),
        make("span", { translate: "no" }, camera.name ?? "–"),
        " ",
        its.name === "running" ? "" : its.word,
      );
    });
    const more = line.cameras.length > CAMERAS && make("span", { class: "camera" }, t("and {count} more", { count: line.cameras.length - CAMERAS }));
    return button(
      line.name,
      chosen,
      make(
        "span",
        { class: "name", "data-state": state.name },
        sign(`phase-${state.name}`),
        make("strong", { translate: "no" }, line.name === null ? t("no line") : t("Line {name}", { name: line.name })),
        " ",
        make("span", {}, state.word),
      ),
      line.lot && make("span", { class: "lot", translate: "no" }, [line.lot, line.grower].filter(Boolean).join(" · ")),
      ...cameras,
      more,
    );
  }

  function draw({ lines }, wanted, now) {
    shown = [{ lines }, wanted, now];
    const text = JSON.stringify([document.documentElement.lang, wanted, lines.map((line) => words(line, now))]);
    if (text === drawn) return; // a button that is exchanged under a finger is not pressed
    drawn = text;
    // fruit without a line cannot be asked for alone, so it is among all only
    const named = lines.filter((line) => line.name !== null);
    place.hidden = !lines.length;
    const focused = place.contains(document.activeElement) ? [...place.children].indexOf(document.activeElement) : -1;
    const several = named.length > 1 || named.length !== lines.length || wanted !== null;
    const every = several && button(null, wanted === null, make("span", { class: "name" }, make("strong", {}, t("All lines"))));
    place.replaceChildren(...(every ? [every] : []), ...named.map((line) => lineButton(line, several && line.name === wanted, now)));
    if (focused >= 0) place.children[Math.min(focused, place.children.length - 1)]?.focus({ preventScroll: true });
  }

  onLanguage(() => shown && draw(...shown));
  return draw;
}
