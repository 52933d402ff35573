// The login page: PIN or password, a pad for fingers in gloves, and the names that logged in on this device before.

import { language, switchTo } from "./i18n.js";
import { known, trying } from "./login-names.js";

const form = document.getElementById("login");
const name = document.getElementById("name");
const pin = document.getElementById("pin");
const password = document.getElementById("password");
const names = document.getElementById("names");
const go = form.querySelector(".go");

function choose(way) {
  form.dataset.way = way;
  for (const button of form.querySelectorAll("[data-way]")) button.setAttribute("aria-pressed", String(button.dataset.way === way));
  for (const part of form.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== way;
  // what is hidden is not sent, and only what is shown has to be filled
  for (const [field, its] of [[pin, "pin"], [password, "password"]]) {
    field.disabled = its !== way;
    field.required = its === way;
  }
}

function press(button) {
  if (button.dataset.digit) pin.value = (pin.value + button.dataset.digit).slice(0, pin.maxLength);
  else pin.value = button.dataset.key === "back" ? pin.value.slice(0, -1) : "";
}

for (const person of known()) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: person.name });
  button.addEventListener("click", () => {
    name.value = person.name;
    choose(person.way);
    (person.way === "pin" ? pin : password).focus({ preventScroll: true });
  });
  names.append(document.createElement("li"));
  names.lastChild.append(button);
}
names.hidden = !names.children.length;

for (const part of form.querySelectorAll(".methods, .pad")) part.hidden = false;
for (const button of form.querySelectorAll(".methods button")) button.addEventListener("click", () => choose(button.dataset.way));
for (const button of form.querySelectorAll(".pad button")) button.addEventListener("click", () => press(button));
const before = known();
choose((before.find((each) => each.name === name.value) ?? before[0])?.way ?? "pin");

// after a wrong try the person is the same, so the next thing is the secret; where there are names to tap, no keyboard comes up
if (name.value) (form.dataset.way === "pin" ? pin : password).focus({ preventScroll: true });
else if (names.hidden) name.focus({ preventScroll: true });

form.addEventListener("submit", () => {
  trying({ name: name.value.trim(), way: form.dataset.way }); // kept once it was right
});

const wait = document.getElementById("wait");
if (wait) {
  const until = Date.now() + Number(wait.dataset.seconds) * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    wait.textContent = left;
    go.disabled = left > 0;
    if (left) setTimeout(tick, 250);
  };
  tick();
}

const change = document.querySelector("[data-language]");
change.addEventListener("click", () => switchTo(language() === "ja" ? "en" : "ja"));
change.hidden = false;
