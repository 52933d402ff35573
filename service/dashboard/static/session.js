// Who is logged in on this page. Nobody has to be on the machine itself: then there is no cookie and nothing shows.

const root = document.documentElement.dataset.root;

const csrfToken = () => document.cookie.match(/(?:^|; )(?:__Host-)?senka_csrf=([^;]*)/)?.[1] ?? null;

/** Headers of a request that changes something: with them the service knows that a page of its own sent it. */
export function csrfHeaders() {
  const token = csrfToken();
  return token ? { "X-CSRF-Token": token } : {};
}

/** The answer, or the way to the login when the service no longer knows who asks. */
export function recognised(answer) {
  const here = location.pathname.slice(root.length);
  // several requests of a page may be refused, the last of them when it is on its way already
  if (answer.status === 401 && here !== "/login") location.assign(`${root}/login?next=${encodeURIComponent(here + location.search)}`);
  return answer;
}

let asked = null;

/** { kind, name, role } of whoever looks at this page; a role of null may look at nothing. Asked once. */
export function session() {
  asked ??= fetch(`${root}/v1/session`, { cache: "no-store" }).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer)));
  asked.catch(() => (asked = null));
  return asked;
}

/** Whether they may: "operator" for a day's work, "admin" for all. The service decides; this only hides what it would refuse. */
export async function may(role) {
  const roles = role === "admin" ? ["admin"] : ["operator", "admin"];
  return roles.includes((await session()).role);
}

async function show(person) {
  const { kind, name } = await session();
  if (kind !== "user") return;
  const { arrived } = await import("./login-names.js"); // only where somebody is logged in: most pages go without
  arrived(name);
  person.querySelector(".person-name").textContent = name;
  person.querySelector("button").addEventListener("click", async () => {
    const answer = await fetch(`${root}/logout`, { method: "POST", headers: csrfHeaders() }).catch(() => null);
    // whoever comes next must not be taken for the one who only believes to have gone
    if (answer?.ok || answer?.status === 401) location.assign(`${root}/login`);
    else {
      const [{ toast }, { t }] = await Promise.all([import("./toast.js"), import("./i18n.js")]);
      toast(t("You are still logged in: the service does not answer. Try again."), { bad: true });
    }
  });
  person.hidden = false;
}

const person = document.getElementById("person");
// an answer that does not come leaves the page as it is: only the name is missing
if (person && csrfToken()) show(person).catch(() => {});
