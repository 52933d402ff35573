// Users: who may log in, and what they may do. No password and no PIN is ever shown.

import { ask, send } from "./api.js";
import { confirm } from "./dialog.js";
import { make } from "./dom.js";
import { day, mark, t } from "./i18n.js";
import { addressOf, asking, button, entries, entry, field, head, named, nothing, selectField, sentence, textField, trying } from "./settings-parts.js";
import { toast } from "./toast.js";

const ROLES = {
  viewer: [mark("Viewer"), mark("looks at everything, changes nothing")],
  operator: [mark("Operator"), mark("a day's work: corrects, reviews, changes lots, sees to alarms")],
  admin: [mark("Admin"), mark("everything: models, users, keys, the farm")],
};
const PIN_HELP = mark("4 to 8 digits; not a year, not digits in a row.");
const PASSWORD_HELP = mark("8 letters or more. Several words are good, and easy to keep in mind.");

export const usersSection = {
  load: async () => (await ask("/v1/users")).users,
  draw: (users, context) => {
    const add = button(t("Add a user"), () => adding(context), "main");
    const none = t("Whoever sits at the grading computer may do everything. On other devices people log in with a name that is entered here.");
    if (!users.length) return [nothing("page-settings", t("No user yet"), none, add)];
    return [
      head(t("Each person has a name of their own: then the records say who did what."), add),
      entries(users.map((user) => shown(user, context))),
      roles(),
    ];
  },
};

const roles = () =>
  make(
    "dl",
    { class: "facts panel" },
    Object.values(ROLES).flatMap(([word, may]) => [make("dt", {}, t(word)), make("dd", {}, t(may))]),
  );

function shown(user, context) {
  const ways = [user.has_password && t("password"), user.has_pin && t("PIN")].filter(Boolean).join(", ");
  return entry({
    name: user.name,
    chips: [
      make("span", { class: "chip" }, t(ROLES[user.role][0])),
      user.disabled_at && make("span", { class: "chip", "data-tone": "bad" }, t("may not log in")),
      user.name === context.me && make("span", { class: "chip", "data-tone": "good" }, t("you")),
    ],
    facts: [ways, t("since {time}", { time: day(user.created_at) }), user.disabled_at && t("disabled {time}", { time: day(user.disabled_at) })],
    muted: Boolean(user.disabled_at),
    buttons: [
      button(t("Change"), () => changing(user, context)),
      user.disabled_at ? button(t("Let in again"), () => enable(user, context)) : button(t("Disable"), () => disable(user, context)),
    ],
  });
}

/** The role, and a PIN where the role may have one. `pin` and `password` are the words before their fields. */
function wayIn(role, { pin, password }) {
  const pinInput = textField("pin", "", { type: "password", inputmode: "numeric", maxlength: 16, autocomplete: "new-password" });
  const pinField = field(pin, pinInput, t(PIN_HELP));
  const select = selectField("role", Object.entries(ROLES).map(([each, [word, may]]) => [each, `${t(word)}: ${t(may)}`]), role);
  const follow = () => {
    pinField.hidden = select.value === "admin"; // a PIN is too easily seen for a role that may do everything
    if (pinField.hidden) pinInput.value = "";
  };
  select.addEventListener("change", follow);
  follow();
  const secret = textField("password", "", { type: "password", maxlength: 256, autocomplete: "new-password" });
  return [field(t("Role"), select), pinField, field(password, secret, t(PASSWORD_HELP))];
}

const secrets = ({ pin, password }) => ({ ...(pin && { pin }), ...(password && { password }) });

const adding = (context) =>
  asking({
    title: t("Add a user"),
    fields: [
      field(t("Name"), textField("name", "", { required: true })),
      wayIn("operator", { pin: t("PIN, for a tablet"), password: t("Password") }),
      sentence(t("One of the two is enough; an admin needs a password."), { class: "quiet" }),
    ].flat(),
    yes: t("Add"),
    submit: (values) => send("POST", "/v1/users", { name: values.name, role: values.role, ...secrets(values) }),
    done: t("Saved."),
    after: context.again,
  });

const changing = (user, context) =>
  asking({
    title: t("Change a user"),
    fields: [
      make("p", {}, named(user.name)),
      wayIn(user.role, { pin: t("New PIN"), password: t("New password") }),
      user.has_pin && make("label", { class: "check" }, make("input", { type: "checkbox", name: "no_pin" }), t("Take the PIN away")),
      sentence(t("What stays empty stays as it is. Whoever is changed has to log in again."), { class: "quiet" }),
    ].flat(),
    yes: t("Save"),
    submit: (values) => {
      const role = values.role !== user.role && { role: values.role };
      return send("PATCH", addressOf("users", user.name), { ...role, ...(values.no_pin && { pin: null }), ...secrets(values) });
    },
    done: t("Saved."),
    after: context.again,
  });

async function disable(user, context) {
  const sure = await confirm({
    title: t("Disable {name}?", { name: user.name }),
    what: [t("They are logged out at once and may not log in again. What they did stays on record, and they can be let in again.")],
    yes: t("Disable"),
    danger: true,
  });
  if (sure) await disabled(user, true, context);
}

const enable = (user, context) => disabled(user, false, context);

const disabled = (user, is, context) =>
  trying(async () => {
    await send("PATCH", addressOf("users", user.name), { disabled: is });
    toast(t("Saved."));
  }, context.again);
