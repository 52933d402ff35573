// The page of settings: which section is shown, who may see it, and what is said when it cannot be read.
//
// A section is { load(context), draw(data, context) }: what it has to ask for, and its elements out of that. `context` has `admin`
// and `changes` (what whoever looks may do), `me` (their name), `again()` (ask and draw anew) and `draw()` (draw what is known).

import { exactly } from "./dialog.js";
import { at, make } from "./dom.js";
import { onLanguage, say, t } from "./i18n.js";
import { session } from "./session.js";
import { alarmsSection } from "./settings-alarms.js";
import { camerasSection } from "./settings-cameras.js";
import { changesSection } from "./settings-changes.js";
import { deviceSection } from "./settings-device.js";
import { farmSection } from "./settings-farm.js";
import { keysSection } from "./settings-keys.js";
import { growersSection, linesSection } from "./settings-places.js";
import { rulesSection } from "./settings-rules.js";
import { serviceSection } from "./settings-service.js";
import { usersSection } from "./settings-users.js";

const SECTIONS = {
  device: deviceSection,
  farm: farmSection,
  lines: linesSection,
  cameras: camerasSection,
  growers: growersSection,
  users: usersSection,
  keys: keysSection,
  rules: rulesSection,
  alarms: alarmsSection,
  service: serviceSection,
  changes: changesSection,
};
const FIRST = "device";
const ASK_AGAIN_MS = 2_000;

const whole = at("settings");
const place = at("section-place");
const title = at("section-title");
const links = Object.fromEntries(Object.keys(SECTIONS).map((name) => [name, document.querySelector(`#sections a[href="#${name}"]`)]));

let shown = null; // { name, context, data, failed }
let who = { name: null, role: null }; // whoever is not known yet may change nothing here; the service decides anyway
let unknown = true;
let askingAgain = null;

async function identify() {
  try {
    who = await session();
    unknown = false;
  } catch {
    // the service does not answer yet, as the strip above says
    askingAgain = setTimeout(identifyAgain, ASK_AGAIN_MS);
  }
  for (const item of document.querySelectorAll("#sections [data-role]")) item.hidden = who.role !== "admin";
  at("for-admins").hidden = unknown || who.role === "admin";
}

async function identifyAgain() {
  clearTimeout(askingAgain);
  await identify();
  if (!unknown) await show(shown.name);
}

await identify();

async function show(name) {
  const mine = (shown = { name, data: null, failed: false });
  const admin = who.role === "admin";
  const changes = admin || who.role === "operator";
  const context = { admin, changes, me: who.name, again: () => read(mine), draw: () => drawn(mine) };
  mine.context = context;
  for (const [each, link] of Object.entries(links)) {
    if (each === name) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  say(title.querySelector("[data-t]"), links[name].querySelector("[data-t]").dataset.t);
  if (links[name].closest("li").hidden) return place.replaceChildren(make("p", { class: "missing" }, t("Only an admin sees and changes this.")));
  place.replaceChildren(make("p", { class: "busy" }, t("Looking…")));
  await read(mine);
}

async function read(mine) {
  try {
    mine.data = await SECTIONS[mine.name].load(mine.context);
    mine.failed = false;
  } catch (problem) {
    if (!problem.words) throw problem;
    mine.failed = problem;
  }
  drawn(mine);
}

function drawn(mine) {
  if (mine !== shown) return; // another section was chosen meanwhile
  const focused = place.contains(document.activeElement) ? (document.activeElement.closest("[data-key]")?.dataset.key ?? "") : null;
  if (mine.failed) place.replaceChildren(trouble(mine.failed, mine.context.again));
  else place.replaceChildren(...[SECTIONS[mine.name].draw(mine.data, mine.context)].flat().filter(Boolean));
  // what had the focus keeps it; where it is gone, the section itself is the nearest thing
  if (focused !== null) (place.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? title).focus({ preventScroll: true });
}

function trouble(problem, again) {
  return make(
    "div",
    { class: "trouble", role: "alert" },
    make("p", {}, problem.words()),
    exactly(problem),
    make("button", { type: "button", class: "button", onclick: again }, t("Try again")),
  );
}

/** The section that the address names; null for something else of this page, such as the way to the content. */
function named() {
  const name = location.hash.slice(1);
  return name in SECTIONS ? name : name ? null : "";
}

addEventListener("hashchange", () => {
  const name = named();
  if (name === null) return;
  whole.dataset.chosen = name ? "yes" : "no";
  const before = shown.name;
  show(name || FIRST);
  if (name) title.focus();
  else links[before].focus();
  scrollTo(0, 0);
});

onLanguage(() => {
  if (links[shown.name].closest("li").hidden || (!shown.data && !shown.failed)) return show(shown.name);
  // what is typed stays: the fields are the same in every language
  const fields = () => place.querySelectorAll("input, select, textarea");
  const typed = [...fields()].map((each) => each.value);
  drawn(shown);
  fields().forEach((each, index) => (each.value = typed[index] ?? each.value));
});

document.addEventListener("senka:link", ({ detail }) => {
  if (detail !== "open") return;
  if (unknown) identifyAgain();
  else if (shown?.failed) shown.context.again();
});

whole.dataset.chosen = named() ? "yes" : "no";
await show(named() || FIRST);
