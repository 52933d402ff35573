// The page "Gradings": what is asked for stands in the address, what fits comes as a wall of photographs or as a table.

import { ask, query } from "./api.js";
import { exactly } from "./dialog.js";
import { at, make, sign } from "./dom.js";
import { addressOf, FILTERS, forService, inAddress } from "./gradings-address.js";
import { filterForm } from "./gradings-filters.js";
import { countOf, pageOf } from "./gradings-search.js";
import { table } from "./gradings-table.js";
import { wall } from "./gradings-tile.js";
import { onLanguage, say, t, tn } from "./i18n.js";
import { ownZone } from "./lots-time.js";
import { may } from "./session.js";

const PAGE = 60;
const root = document.documentElement.dataset.root;

let asked = inAddress();
let known = null; // the question whose answer is shown
let wrong = null; // the problem of the last question
let shown = [];
let cursor = null;
let looked = 0; // how many gradings were looked at for those shown
let count = null; // of all that fit, once the service has said it
let asking = null; // the requests under way, to call them off when something else is asked for
let nowAsked = null; // what the service was asked: a quick choice of time means the same moment for all pages of a list

let zone = ownZone(); // until the farm's is known
let farm = null; // the answer that is waited for
let unanswered = [
  () => (farm = ask("/v1/farm").then((found) => (zone = found.time_zone))),
  async () => {
    at("export").dataset.may = (await may("operator")) ? "yes" : "no";
    redraw(null);
  },
];

/** What is asked once; what did not come is asked again when the service is back. */
async function askOnce() {
  const now = unanswered;
  const answers = await Promise.allSettled(now.map((one) => one()));
  unanswered = now.filter((_, index) => answers[index].status === "rejected");
}
askOnce();

const form = filterForm(go);

for (const button of at("views").querySelectorAll("button"))
  button.addEventListener("click", () => {
    asked = { ...asked, view: button.value };
    history.replaceState(history.state, "", addressOf(asked));
    draw();
  });
at("more").addEventListener("click", more);
addEventListener("popstate", () => {
  asked = inAddress();
  search();
});
// whoever comes back from a grading finds the list as it was left
history.scrollRestoration = "manual";
addEventListener("pagehide", () => history.replaceState({ shown: shown.length, top: scrollY }, ""));
onLanguage(() => (drawTrouble(), draw()));
// what came while the line was away is missing here
let away = false;
document.addEventListener("senka:link", ({ detail }) => {
  if (detail === "open") askOnce();
  if (detail === "open" && (away || wrong)) search({ again: true });
  away = detail === "lost";
});
search();

/** `amends`: the rest of what is being typed, for which there is a way back already. */
function go(wanted, amends = false) {
  if (!amends) history.replaceState({ shown: shown.length, top: scrollY }, "");
  asked = wanted;
  history[amends ? "replaceState" : "pushState"](null, "", addressOf(asked));
  search();
}

/** `again`: the same as before, which stays on the page meanwhile, as long a list of it. */
async function search({ again = false } = {}) {
  asking?.abort();
  const mine = (asking = new AbortController());
  const { shown: before, top } = again ? { shown: shown.length, top: null } : { shown: 0, top: 0, ...history.state };
  const question = addressOf({ ...asked, view: "" });
  const kept = again && known === question;
  form.show(asked);
  trouble(null);
  at("busy").hidden = kept;
  at("more").disabled = true; // its cursor belongs to the list that goes
  try {
    if (asked.span) await farm.catch(() => {}); // a day begins where the farm's does; else by this tablet's clock
    if (mine !== asking) return;
    nowAsked = forService(asked, zone);
    if (!kept) count = null;
    countOf(nowAsked, mine.signal).then((found) => mine === asking && ((count = found), drawCount()), () => {}); // the list says what is wrong
    const page = await pageOf(nowAsked, Math.max(PAGE, before), null, mine.signal);
    if (mine !== asking) return;
    const same = kept && JSON.stringify(page.gradings) === JSON.stringify(shown);
    [known, shown, cursor, looked] = [question, page.gradings, page.next_cursor, page.looked];
    if (!same) redraw(top);
  } catch (problem) {
    if (mine !== asking) return;
    if (!kept) [known, shown, cursor, looked] = [null, [], null, 0];
    draw();
    trouble(problem);
  } finally {
    if (mine === asking) [at("busy").hidden, at("more").disabled] = [true, false];
  }
}

/** The list anew, scrolled to `top`; null leaves the page and the focus where they are. */
function redraw(top) {
  const focused = at("results").contains(document.activeElement) ? document.activeElement.closest("[data-id]")?.dataset.id : null;
  const place = top ?? scrollY;
  draw();
  if (focused && top === null) linkOf(focused)?.focus({ preventScroll: true });
  scrollTo(0, place);
}

function linkOf(id) {
  return at("results").querySelector(`a[data-id="${CSS.escape(id)}"], tr[data-id="${CSS.escape(id)}"] a`);
}

async function more() {
  const mine = asking;
  at("more").disabled = true;
  trouble(null);
  try {
    const page = await pageOf(nowAsked, PAGE, cursor, mine.signal);
    if (mine !== asking) return;
    const first = page.gradings[0];
    shown.push(...page.gradings);
    cursor = page.next_cursor;
    looked += page.looked;
    draw();
    at("spoken").textContent = tn(page.gradings.length, "{count} more", "{count} more");
    if (first) linkOf(first.id).focus();
  } catch (problem) {
    if (mine === asking) trouble(problem);
  } finally {
    if (mine === asking) at("more").disabled = false;
  }
}

function trouble(problem) {
  if (problem && !problem.words) throw problem;
  wrong = problem;
  drawTrouble();
}

function drawTrouble() {
  at("trouble").replaceChildren(...(wrong ? [wrong.words(), " ", ...exactly(wrong)] : []));
}

function draw() {
  for (const button of at("views").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === asked.view));
  // where nothing is known, nothing may be said of it
  const found = known === null ? "" : shown.length ? (asked.view === "table" ? table(shown) : wall(shown)) : nothing();
  at("results").replaceChildren(found);
  at("more").hidden = !cursor;
  at("export").hidden = at("export").dataset.may !== "yes" || !shown.length || Boolean(asked.corrected);
  for (const format of ["csv", "parquet"]) at(format).href = `${root}/v1/export${query({ ...nowAsked, format })}`;
  drawCount();
}

function drawCount() {
  const title = at("count");
  if (!shown.length && !cursor) return say(title, "Gradings");
  const total = count?.total ?? shown.length;
  delete title.dataset.t;
  title.replaceChildren(
    !count && cursor && !asked.corrected
      ? tn(total, "More than {count} grading", "More than {count} gradings")
      : tn(total, "{count} grading", "{count} gradings"),
  );
  const more = (words) => title.append(" ", make("small", { class: "quiet" }, words));
  if (count?.manual && asked.lane !== "manual") more(tn(count.manual, "{count} of them in the manual lane", "{count} of them in the manual lane"));
  if (asked.corrected && cursor) more(tn(looked, "among the newest {count}", "among the newest {count}"));
}

function nothing() {
  const narrowed = asked.span || FILTERS.some((name) => asked[name] !== "");
  const [title, next] =
    cursor ? [t("None found yet"), t("Older gradings were not looked at: go on with Show more.")]
    : narrowed ? [t("No grading fits"), t("Take a filter away, or look at another time.")]
    : [t("Nothing has been graded yet"), t("As soon as a camera sends photographs, they appear here. Cameras and their keys are under Settings.")];
  const back = () => go({ ...Object.fromEntries(FILTERS.map((name) => [name, ""])), span: "", view: asked.view });
  return make(
    "div",
    { class: "panel nothing" },
    sign("page-gradings"),
    make("h3", {}, title),
    make("p", {}, next),
    narrowed
      ? make("button", { type: "button", class: "button main", onclick: back }, t("Show all"))
      : make("a", { class: "button main", href: `${root}/settings#cameras` }, t("To the cameras")),
  );
}
