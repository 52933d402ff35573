// What is done to a line's lot: another one, a new one, its end, and what is known about it. Each has its way back.

import { all, send } from "./api.js";
import { confirm, form } from "./dialog.js";
import { make } from "./dom.js";
import { t } from "./i18n.js";
import { growerFields, growerOf, lotLines, named, newestFirst, nextName, noteField } from "./lots-pick.js";
import { toast } from "./toast.js";

const MOST = 10_000;
const CLOSED_SHOWN = 8;

export const everyLot = () => all("/v1/lots", "lots", MOST);
const at = (kind, name) => `/v1/${kind}/${encodeURIComponent(name)}`;
const run = (line, lot) => send("PATCH", at("lines", line), { lot });
const close = (lot, closed) => send("PATCH", at("lots", lot), { closed });

/** Does `work`; what goes wrong is said, and `after` is called either way: the page shows what is so. */
async function trying(work, after) {
  try {
    await work();
  } catch (problem) {
    if (!problem.words) throw problem;
    toast(problem.words(), { bad: true });
  }
  await after();
}

function changed(line, before, lot, after) {
  const back = () => trying(() => run(line, before), after);
  toast(t("Line {line} runs lot {lot} from now on.", { line, lot }), { action: t("Undo"), run: back });
}

/** Another open lot for a line: one tap on it is enough. `today` is the farm's date, for the name of a new one. */
export async function changeLot(line, lines, today, after) {
  await trying(async () => {
    const lots = newestFirst(await everyLot());
    const chosen = make("input", { type: "hidden", name: "lot" });
    const reopened = make("input", { type: "hidden", name: "reopen" });
    const button = (lot) => {
      const where = lines.filter((one) => one.lot === lot.name).map((one) => one.name);
      const beside = where.length ? t("on line {line} now", { line: where.join(", ") }) : null;
      const take = () => {
        [chosen.value, reopened.value] = [lot.name, lot.closed_at ? "yes" : ""];
        chosen.form.requestSubmit();
      };
      return make("button", { type: "button", class: "pick pick-text", onclick: take }, lotLines(lot, beside));
    };
    const open = lots.filter((lot) => !lot.closed_at && lot.name !== line.lot);
    const closed = lots.filter((lot) => lot.closed_at).slice(0, CLOSED_SHOWN);
    const result = await form({
      title: t("Which lot runs on line {line} from now on?", { line: line.name }),
      fields: [
        chosen,
        reopened,
        open.length ? make("div", { class: "pick-grid" }, open.map(button)) : make("p", {}, t("No other lot is open. Start a new one.")),
        closed.length
          ? make("details", {}, make("summary", {}, t("Open an ended lot again")), make("div", { class: "pick-grid" }, closed.map(button)))
          : [],
      ].flat(),
      yes: t("New lot"),
      submit: async (values) => {
        chosen.value = ""; // after an error the button for a new lot means a new lot
        if (!values.lot) return { fresh: true };
        if (values.reopen) await close(values.lot, false);
        await run(line.name, values.lot);
        return { lot: values.lot };
      },
    });
    if (result?.lot) changed(line.name, line.lot, result.lot, after);
    if (result?.fresh) await newLot(line, today, after);
  }, after);
}

/** A lot that was not there before; it runs on the line at once. */
export async function newLot(line, today, after) {
  await trying(async () => {
    const [lots, growers] = await Promise.all([everyLot(), all("/v1/growers", "growers", MOST)]);
    const only = growers.length === 1 ? growers[0].name : null;
    let made = null; // where the line could not be changed, a second try must not make the lot again
    const result = await form({
      title: t("New lot on line {line}", { line: line.name }),
      fields: [
        make(
          "label",
          { class: "field" },
          t("Name of the lot"),
          make("input", { name: "name", required: true, maxlength: 100, autocomplete: "off", value: nextName(today, lots) }),
        ),
        growerFields(growers, only),
        noteField(),
      ].flat(),
      yes: t("Start"),
      submit: async (values) => {
        const name = values.name.trim();
        if (made !== name) {
          await send("POST", "/v1/lots", { name, grower: growerOf(values), note: values.note.trim() || null });
          made = name;
        }
        await run(line.name, name);
        return { lot: name };
      },
    });
    if (result) changed(line.name, line.lot, result.lot, after);
  }, after);
}

/** The lot is done: it leaves its lines. */
export async function endLot(lot, lines, after) {
  const where = lines.filter((line) => line.lot === lot).map((line) => line.name);
  const sure = await confirm({
    title: t("End lot {lot}?", { lot }),
    what: [
      t("It leaves line {line}. Fruit that comes there is on record without a lot until you choose another.", { line: where.join(", ") }),
      t("Its fruit and its report stay."),
    ],
    yes: t("End this lot"),
  });
  if (!sure) return;
  await trying(async () => {
    await close(lot, true);
    const back = async () => {
      await close(lot, false);
      for (const line of where) await run(line, lot);
    };
    toast(t("Lot {lot} has ended.", { lot }), { action: t("Undo"), run: () => trying(back, after) });
  }, after);
}

/** Whose it is, and what is noted about it. */
export async function describeLot(lot, after) {
  await trying(async () => {
    const growers = await all("/v1/growers", "growers", MOST);
    const result = await form({
      title: t("Grower and note of the lot"),
      fields: [make("p", {}, named(lot.name, { class: "pick-name" })), growerFields(growers, lot.grower), noteField(lot.note)].flat(),
      yes: t("Save"),
      submit: (values) => send("PATCH", at("lots", lot.name), { grower: growerOf(values), note: values.note.trim() || null }),
    });
    if (result) toast(t("Saved."));
  }, after);
}
