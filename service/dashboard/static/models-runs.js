// Retrainings: the one that runs, step by step, and how the others ended. What runs is asked for every two seconds, nothing else.

import { ask, send } from "./api.js";
import { confirm } from "./dialog.js";
import { at, make } from "./dom.js";
import { language, t } from "./i18n.js";
import { redraw, saidOf } from "./models-parts.js";
import { ended, running } from "./models-run.js";
import { startTraining } from "./models-train.js";
import { toast } from "./toast.js";

const POLL_MS = 2_000;
const SHOWN = 10;
const WAIT_MS = 60_000;

const pathOf = (run) => `/v1/retrainings/${encodeURIComponent(run.id)}`;

/** `ended` is called when a retraining that ran has ended: there may be another model. */
export function runsPart({ batches, models, ended: whenEnded }) {
  let runs = null;
  let now = null; // the one that runs, with all that is known of it
  let timer = null;
  let rights = { admin: false };
  let drawn = "";

  async function load() {
    try {
      const found = (await ask(`/v1/retrainings?limit=${SHOWN}`)).retrainings;
      const details = await Promise.all(found.map((one) => ask(pathOf(one))));
      now = details.find((one) => one.state === "running") ?? null;
      runs = details.filter((one) => one !== now);
      at("runs-trouble").replaceChildren();
    } catch (problem) {
      at("runs-trouble").replaceChildren(...saidOf(problem));
    }
    at("runs").setAttribute("aria-busy", "false");
    draw();
    watch();
  }

  function watch() {
    clearTimeout(timer);
    if (now) timer = setTimeout(poll, POLL_MS);
  }

  async function poll() {
    if (document.hidden) return watch();
    try {
      const found = await ask(pathOf(now));
      if (found.state !== "running") return await Promise.all([load(), whenEnded()]);
      now = found;
      at("runs-trouble").replaceChildren();
    } catch (problem) {
      at("runs-trouble").replaceChildren(...saidOf(problem));
    }
    draw();
    watch();
  }

  function draw() {
    at("training-start").hidden = !rights.admin || Boolean(now);
    // drawn only when it is another: a screen reader would begin anew, and what is folded open would close
    const fresh = JSON.stringify([language(), rights, now, runs]);
    if (fresh === drawn) return;
    drawn = fresh;
    redraw(at("running"), now ? running(now, rights.admin ? { cancel } : {}) : []);
    if (runs) redraw(at("runs"), runs.length ? list() : none());
    else at("runs").replaceChildren();
  }

  function list() {
    const acts = rights.admin && !now ? { resume } : {};
    return [make("h3", {}, t("Earlier ones")), make("ul", { class: "rows" }, runs.map((run) => ended(run, acts)))];
  }

  function none() {
    if (now) return [];
    const text = rights.admin ? t("No retraining yet. Send new labels or correct some fruit, then start one.") : t("No retraining yet. An admin can start one.");
    return make("p", { class: "quiet" }, text);
  }

  async function changing(work) {
    try {
      await work();
    } catch (problem) {
      if (!problem.words) throw problem;
      toast(problem.words(), { bad: true });
    }
    await load();
  }

  async function cancel(run) {
    const agreed = await confirm({
      title: t("Cancel this retraining?"),
      what: [t("It stops at its next step. What is finished is kept, and it can go on from there later. Grading is not touched.")],
      yes: t("Stop it"),
      danger: true,
    });
    if (agreed) await changing(() => send("POST", `${pathOf(run)}/cancel`, undefined, { waitMs: WAIT_MS }));
  }

  const resume = (run) => changing(() => send("POST", `${pathOf(run)}/resume`, undefined, { waitMs: WAIT_MS }));

  at("training-start")
    .querySelector("button")
    .addEventListener("click", async () => {
      // another may run by now, started on a command line or by somebody else
      await load();
      if (now) return toast(t("A retraining runs already. Wait for it, or cancel it."), { bad: true });
      if (await startTraining(batches(), models())) await load();
    });

  return {
    load,
    draw,
    show(given) {
      rights = given;
    },
  };
}
