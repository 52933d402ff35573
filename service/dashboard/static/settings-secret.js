// A camera's new key, shown once: with a button that copies it, and a command that tries it.

import { query, send } from "./api.js";
import { make } from "./dom.js";
import { t } from "./i18n.js";
import { asking, button, field, nameFrom, sentence, textField, trimmed } from "./settings-parts.js";
import { toast } from "./toast.js";

const root = document.documentElement.dataset.root;

/** Keys that nobody has said to have kept, the newest first: whichever section is shown meanwhile. */
let fresh = [];

addEventListener("beforeunload", (event) => fresh.length && event.preventDefault());

/** Asks for a key of a camera (null: any that is named) and shows it. `cameras` are names to choose from. */
export function newKey(context, camera, line, cameras = []) {
  return asking({
    title: camera === null ? t("New camera key") : t("New key for camera {name}", { name: camera }),
    fields: [
      field(t("Name of the key"), textField("name", camera ?? "", { required: true })),
      camera === null
        ? field(t("Camera (may stay empty)"), make("span", {}, nameFrom("camera", "", cameras)), t("With a camera the key may send photographs of that one only."))
        : sentence(t("The keys that it has stay good until they are revoked.")),
    ],
    yes: t("Make the key"),
    submit: (values) => makeKey(values.name, camera ?? trimmed(values.camera)),
    after: (made) => keep(context, made, line),
  });
}

export const makeKey = (name, camera) => send("POST", "/v1/keys", { name, camera });

/** Shows a key that was just made above the list of cameras or keys, until somebody says that it is kept. */
export async function keep(context, made, line = null) {
  fresh.unshift({ made, line });
  await context.again();
  if (!["#cameras", "#keys"].includes(location.hash)) location.hash = "#keys"; // somebody went on while it was made
  document.querySelector("#section-place .secret h3")?.focus();
}

/** A panel for each key that was just made. */
export const secretPanels = (context) => fresh.map((one) => secretPanel(one, context));

function secretPanel(one, context) {
  const { made, line } = one;
  const key = make("pre", { translate: "no", tabindex: 0, "aria-label": t("The key"), class: "secret-key" }, make("code", {}, made.key));
  const where = query({ line, camera: made.camera });
  const command = make(
    "pre",
    { translate: "no", tabindex: 0, "aria-label": t("Command that tries the key") },
    make(
      "code",
      {},
      `curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' -H 'Authorization: Bearer ${made.key}' '${location.origin}${root}/v1/grade${where.replaceAll("'", "%27")}'`,
    ),
  );
  const done = () => {
    fresh = fresh.filter((each) => each !== one);
    context.draw();
    document.getElementById("section-title").focus();
  };
  return make(
    "div",
    { class: "panel secret" },
    make("h3", { tabindex: -1 }, t("The new key of {name}", { name: made.name })),
    sentence(t("**It is shown this once.** Copy it into the camera now. Whoever has it can send photographs.")),
    key,
    make("div", { class: "buttons" }, button(t("Copy the key"), () => copy(key), "main"), button(t("I have kept it"), done)),
    make(
      "details",
      {},
      make("summary", {}, t("Try it from a computer")),
      sentence(t("This sends `photo.jpg` as the camera would.")),
      command,
      button(t("Copy the command"), () => copy(command)),
    ),
  );
}

async function copy(from) {
  try {
    await navigator.clipboard.writeText(from.textContent);
    toast(t("Copied."));
  } catch {
    // a page that came without https may not use the clipboard: a person can
    getSelection().selectAllChildren(from);
    from.focus();
    toast(t("It is marked: copy it with the keyboard, or by a long press."));
  }
}
