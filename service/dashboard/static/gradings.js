// The page "Gradings": what is asked for stands in the address, what fits comes as a wall of photographs or as a table.

import { query } from "./api.js";
import { exactly } from "./dialog.js";
import { at, make, sign } from "./dom.js";
import { addressOf, FILTERS, forService, inAddress } from "./gradings-address.js";
import { filterForm } from "./gradings-filters.js";
import { countOf, pageOf } from "./gradings-search.js";
import { table } from "./gradings-table.js";
import { wall } from "./gradings-tile.js";
import { onLanguage, say, t, tn } from "./i18n.js";
import { may } from "./session.js";

const PAGE = 60;

const root = document.documentElement.dataset.root;
let asked = inAddress();
let shown = [];
let cursor = null;
let looked = 0; // how many gradings were looked at for those shown
let count = null; // of all that fit, once the service has said it
let asking = null; // the requests under way, to call them off when something else is asked for
let nowAsked = null; // what the service was asked: a quick choice of time means the same moment for all pages of a list

const form = filterForm((wanted) => go(wanted));

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
onLanguage(draw);
may("operator").then((yes) => (at("export").dataset.may = yes ? "yes" : "no"), () => {}).then(draw);
search();

function go(wanted) {
  history.replaceState({ shown: shown.length, top: scrollY }, "");
  asked = wanted;
  history.pushState(null, "", addressOf(asked));
  search();
}

async function search() {
  asking?.abort();
  const mine = (asking = new AbortController());
  const { shown: before = 0, top = 0 } = history.state ?? {};
  nowAsked = forService(asked);
  form.show(asked);
  trouble(null);
  at("busy").hidden = false;
  count = null;
  countOf(nowAsked, mine.signal).then((found) => ((count = found), mine === asking && drawCount()), () => {}); // the list says what is wrong
  try {
    const page = await pageOf(nowAsked, Math.max(PAGE, before), null, mine.signal);
    [shown, cursor, looked] = [page.gradings, page.next_cursor, page.looked];
    at("busy").hidden = true;
    draw();
    scrollTo(0, top);
  } catch (problem) {
    if (mine.signal.aborted) return;
    at("busy").hidden = true;
    [shown, cursor, looked] = [[], null, 0];
    draw();
    at("results").replaceChildren(); // nothing is known, so nothing may be said of it
    trouble(problem);
  }
}

async function more() {
  const mine = asking;
  at("more").disabled = true;
  trouble(null);
  try {
    const page = await pageOf(nowAsked, PAGE, cursor, mine.signal);
    const first = page.gradings[0];
    shown.push(...page.gradings);
    cursor = page.next_cursor;
    looked += page.looked;
    draw();
    at("spoken").textContent = tn(page.gradings.length, "{count} more", "{count} more");
    if (first) at("results").querySelector(`a[data-id="${CSS.escape(first.id)}"], tr[data-id="${CSS.escape(first.id)}"] a`).focus();
  } catch (problem) {
    if (!mine.signal.aborted) trouble(problem);
  } finally {
    at("more").disabled = false;
  }
}

function trouble(problem) {
  if (problem && !problem.words) throw problem;
  at("trouble").replaceChildren(...(problem ? [problem.words(), " ", ...exactly(problem)] : []));
}

function draw() {
  for (const button of at("views").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === asked.view));
  const found = shown.length ? (asked.view === "table" ? table(shown) : wall(shown)) : nothing();
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
