// The contents: which network the chapters look into.

import { serving, wordsOf } from "./learn-api.js";
import { at } from "./dom.js";
import { onLanguage, say } from "./i18n.js";

try {
  const { name, version } = await serving();
  say(at("serving"), "The network that grades here now: `{name}`, version {version}.", { name, version });
} catch (problem) {
  const tell = () => at("serving").replaceChildren(wordsOf(problem));
  onLanguage(tell);
  tell();
}
