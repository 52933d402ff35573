// The rules of the manual lane in words: every version of them, and which one decides now.

import { ask } from "./api.js";
import { make } from "./dom.js";
import { moment, t } from "./i18n.js";
import { entries, entry, exactShare, named, nothing, sentence } from "./settings-parts.js";

export const rulesSection = {
  load: () => ask("/v1/profiles"),
  draw: ({ in_effect: now, profiles }) => {
    if (!profiles.length) return [nothing("kind-manual", t("No rules on record yet"), t("They are noted when the service starts."))];
    return [
      sentence(t("They decide which fruit a person looks at. Each grading names the version that decided its lane.")),
      entries(profiles.map((profile) => shown(profile, profile.version === now))),
      sentence(t("They are changed where the service is set up (`SENKA_MANUAL_BELOW`), which makes a new version; old ones stay."), { class: "quiet" }),
    ];
  },
};

function shown(profile, current) {
  return entry({
    name: make("span", {}, t("Version {count}", { count: profile.version })),
    chips: [current && make("span", { class: "chip", "data-tone": "good" }, t("decides now"))],
    more: [
      ...Object.entries(profile.rules).map(([name, value]) => rule(name, value)),
      make("p", {}, t("A fruit that is graded too late goes there too, whatever the rules are.")),
    ],
    facts: [make("span", {}, t("since {time} by", { time: moment(profile.created_at) }), " ", named(profile.created_by))],
  });
}

function rule(name, value) {
  if (name !== "manual_below") return make("p", {}, make("code", {}, `${name}: ${JSON.stringify(value)}`));
  if (!value) return make("p", {}, t("No fruit goes to the manual lane for how sure the model is."));
  return sentence(t("A fruit goes to the manual lane when the model is less than **{share}** sure of its grade.", { share: exactShare(value) }));
}
