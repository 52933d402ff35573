// Another model grades from now on: asked before, said after, and the way back.

import { send } from "./api.js";
import { confirm } from "./dialog.js";
import { t } from "./i18n.js";
import { passed } from "./models-words.js";
import { toast } from "./toast.js";

const WAIT_MS = 60_000; // a large file is checked first

/** Does `work`, tells what goes wrong, and shows what is so either way. Whether it was done. */
async function trying(work, after) {
  let done = true;
  try {
    await work();
  } catch (problem) {
    if (!problem.words) throw problem;
    toast(problem.words(), { bad: true });
    done = false;
  }
  await after();
  return done;
}

const back = () => send("POST", "/v1/models/rollback", undefined, { waitMs: WAIT_MS });

export async function promote(models, version, after) {
  const { champion } = models;
  const sure = passed(version.gate);
  const values = { version: version.version, champion };
  const agreed = await confirm({
    title: t("Grade with version {version} from now on?", values),
    what: [
      !sure && version.gate ? t("**The gate did not pass this version.** It may grade worse than the one that grades now.") : null,
      sure || version.gate ? null : t("**No gate has judged this version.** Nobody knows whether it grades better or worse."),
      t("Version {version} grades every fruit from then on, on all lines, within seconds. No photograph is lost by it.", values),
      champion === null ? null : t("Version {champion} stays here. You can go back to it at any time.", values),
    ].filter(Boolean),
    yes: t("Promote version {version}", values),
    danger: !sure,
  });
  if (!agreed) return;
  const done = await trying(() => send("POST", `/v1/models/${version.version}/promote`, undefined, { waitMs: WAIT_MS }), after);
  if (!done) return;
  const undo = champion === null ? {} : { action: t("Take it back"), run: () => trying(back, after) };
  toast(t("Version {version} grades from now on.", values), undo);
}

export async function rollBack(models, after) {
  const { champion, exchange } = models;
  // only after a promotion does the trail say surely which version comes back
  const before = exchange?.action === "model.promoted" ? exchange.detail.from : null;
  const values = { before, champion };
  const agreed = await confirm({
    title: t("Go back to the model before?"),
    what: [
      before === null
        ? t("The version that graded before version {champion} grades again, on all lines, within seconds.", values)
        : t("Version {before} grades again in place of version {champion}, on all lines, within seconds.", values),
      t("No retraining makes version {champion} the champion again by itself. You can, with its button.", values),
    ],
    yes: t("Roll back"),
  });
  if (!agreed) return;
  const done = await trying(back, after);
  if (done) toast(t("The model before grades again."));
}
