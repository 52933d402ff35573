// The names that logged in on this device, to tap instead of typing. They stay on the device: the service tells nobody who
// its users are.

const KEPT = "senka_names";
const TRYING = "senka_trying";
const MOST = 6;

/** [{ name, way }], the last one first, `way` pin or password; a browser that keeps nothing has none. */
export function known() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return found.filter((each) => typeof each?.name === "string" && ["pin", "password"].includes(each.way));
  } catch {
    return [];
  }
}

/** Note who is about to log in. */
export function trying(person) {
  try {
    sessionStorage.setItem(TRYING, JSON.stringify(person));
  } catch {
    // a private window: the name is typed again next time
  }
}

/** Whoever was about to log in is in now, under this name. */
export function arrived(name) {
  try {
    const person = JSON.parse(sessionStorage.getItem(TRYING) ?? "null");
    sessionStorage.removeItem(TRYING);
    if (!person) return;
    const others = known().filter((each) => each.name !== name);
    localStorage.setItem(KEPT, JSON.stringify([{ name, way: person.way }, ...others].slice(0, MOST)));
  } catch {
    // as above
  }
}
