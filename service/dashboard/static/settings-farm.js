// The farm: its name, its clock and shifts, and what a fruit of each grade weighs and fetches, by which reports reckon.

import { ask, send } from "./api.js";
import { confirm, exactly } from "./dialog.js";
import { make } from "./dom.js";
import { GRADES, kindOf, kindWord } from "./fruit.js";
import { moment, t } from "./i18n.js";
import { button, field, nameFrom, named, sentence, textField, trimmed } from "./settings-parts.js";
import { toast } from "./toast.js";

const SHIFTS = 6;

export const farmSection = {
  load: () => ask("/v1/farm"),
  draw: (farm, context) => [
    !context.admin && sentence(t("Only an admin changes this."), { class: "missing" }),
    block(farm, context, { title: t("Name and time"), fields: basics(farm), yes: t("Save the farm"), wanted: wantedBasics }),
    block(farm, context, {
      title: t("Weight and price of a fruit"),
      fields: figures(farm),
      yes: t("Save weights and prices"),
      wanted: wantedFigures,
      more: reset(farm),
    }),
    farm.changed_at &&
      make("p", { class: "quiet" }, t("Last changed {time} by", { time: moment(farm.changed_at) }), " ", named(farm.changed_by)),
  ],
};

/** A form in its place. `wanted(form)` is the body of the change; what the service refuses is said there, and what was typed stays. */
function block(farm, context, { title, fields, yes, wanted, more = null }) {
  const trouble = make("div", { class: "trouble", role: "alert" });
  const go = make("button", { class: "button main" }, yes);
  const form = make(
    "form",
    { class: "panel", "aria-label": title },
    make("h3", {}, title),
    make("fieldset", { class: "form-rows", disabled: !context.admin }, fields),
    trouble,
    context.admin && make("div", { class: "buttons" }, go, more),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    trouble.replaceChildren();
    try {
      Object.assign(farm, await send("PATCH", "/v1/farm", wanted(form)));
      fill(form, farm); // the other form may have something typed in it: that stays
      toast(t("Saved."));
    } catch (problem) {
      if (!problem.words) throw problem;
      trouble.replaceChildren(problem.words(), ...exactly(problem));
    } finally {
      go.disabled = false;
    }
  });
  return form;
}

function fill(form, farm) {
  const starts = [...farm.shift_starts];
  for (const input of form.querySelectorAll("input")) {
    const [name, grade] = input.name.split(" ");
    input.value = grade ? farm[name][grade] : name === "shift" ? (starts.shift() ?? "") : (farm[name] ?? "");
  }
}

function basics(farm) {
  const shifts = Array.from({ length: SHIFTS }, (_, index) =>
    make("input", {
      type: "time",
      name: "shift",
      value: farm.shift_starts[index] ?? "",
      "aria-label": t("Start of shift {count}", { count: index + 1 }),
    }),
  );
  return [
    field(t("Name of the farm"), textField("name", farm.name)),
    field(
      t("Time zone"),
      make("span", {}, nameFrom("time_zone", farm.time_zone, Intl.supportedValuesOf("timeZone"), { required: true, maxlength: 64 })),
      t("Days and shifts begin by its clock."),
    ),
    make(
      "fieldset",
      { class: "field" },
      make("legend", {}, t("Shifts start at")),
      make("div", { class: "shifts" }, shifts),
      make("p", { class: "hint" }, t("A shift ends where the next one starts. Leave empty what you do not need.")),
    ),
  ];
}

function wantedBasics(form) {
  const starts = [...form.querySelectorAll("[name=shift]")].map((each) => each.value.slice(0, 5)).filter(Boolean);
  return { name: trimmed(form.elements.name.value), time_zone: trimmed(form.elements.time_zone.value), shift_starts: starts.length ? starts : null };
}

function figures(farm) {
  const cell = (grade, name, word) =>
    make(
      "td",
      {},
      make(
        "div",
        { class: "field" },
        make("input", {
          type: "number",
          name: `${name} ${grade}`,
          value: farm[name][grade],
          min: 0,
          step: "any",
          inputmode: "decimal",
          "aria-label": `${grade} ${word}`,
        }),
      ),
    );
  const row = (grade) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, make("b", { translate: "no" }, grade), " ", make("span", { class: "quiet" }, kindWord(kindOf(grade)))),
      cell(grade, "grams_per_fruit", t("grams")),
      cell(grade, "yen_per_fruit", t("yen")),
    );
  return [
    sentence(t("Nothing on the line weighs a fruit. Reports reckon kilograms and yen with these; they are estimates.")),
    make(
      "table",
      { class: "table figures" },
      make("thead", {}, make("tr", {}, [t("Grade"), t("grams"), t("yen")].map((word) => make("th", { scope: "col" }, word)))),
      make("tbody", {}, GRADES.map(row)),
    ),
    make("p", { class: "quiet" }, t("An empty field goes back to its default.")),
  ];
}

function wantedFigures(form) {
  const by = (name) =>
    Object.fromEntries(
      GRADES.map((grade) => {
        const typed = form.elements[`${name} ${grade}`].value;
        return [grade, typed === "" ? null : Number(typed)];
      }),
    );
  return { grams_per_fruit: by("grams_per_fruit"), yen_per_fruit: by("yen_per_fruit") };
}

/** The button in the form of weights and prices, which alone is filled anew: the other may have something typed in it. */
const reset = (farm) =>
  button(t("Defaults"), async ({ currentTarget: { form } }) => {
    const sure = await confirm({
      title: t("Go back to the default weights and prices?"),
      what: [t("Reports of past days are reckoned anew too.")],
      yes: t("Go back"),
    });
    if (!sure) return;
    try {
      Object.assign(farm, await send("PATCH", "/v1/farm", { grams_per_fruit: null, yen_per_fruit: null }));
      fill(form, farm);
      toast(t("Saved."));
    } catch (problem) {
      if (!problem.words) throw problem;
      toast(problem.words(), { bad: true });
    }
  });
