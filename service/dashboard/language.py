"""English and Japanese: what the pages say, out of gettext catalogues, one for each part of the dashboard.

The English text is the key. `locale/<language>/<domain>.po` has its translation; `senka` never translates grade letters or the
names that people gave. A page is rendered in one language and carries the key of each text (`data-t`), so that the browser can
change the language in place: `static/i18n.js` fetches the same catalogue as JSON.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from babel import Locale, negotiate_locale
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

LOCALES: Final = Path(__file__).parent / "locale"
LANGUAGES: Final = ("en", "ja")
COOKIE: Final = "senka_language"
DOMAINS: Final = ("common", "live", "review", "gradings", "lots", "models", "settings", "login", "explain", "learn")
"""A template or script belongs to the domain that its name begins with (`explain-why.js`, `lots.html`), all others to common."""
NEEDED: Final = {"learn": ("common", "explain", "learn")}
"""Domains whose texts a page of one needs, where that is more than the common ones and its own."""

_MARK: Final = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


def domain_of(name: str) -> str:
    """The domain of a template's or script's file name."""
    first = re.split(r"[-_.]", name, maxsplit=1)[0]
    return first if first in DOMAINS else "common"


def negotiated(cookie: str | None, accepted: str | None) -> str:
    """The language of a request: the one chosen on this device, else the best of `Accept-Language`, else English."""
    if cookie in LANGUAGES:
        return cookie
    wanted = [name for name, _ in sorted(_weighed(accepted or ""), key=lambda each: -each[1])]
    return negotiate_locale(wanted, LANGUAGES, sep="-") or "en"


def _weighed(accepted: str) -> Iterator[tuple[str, float]]:
    for part in accepted.split(",")[:20]:
        found = re.fullmatch(r"\s*([A-Za-z-]{2,35})\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*", part)
        if found:
            yield found[1], float(found[2] or 1)


@lru_cache
def catalogue(language: str, domain: str) -> Mapping[str, str | tuple[str, ...]]:
    """Translations by English text; those of a number by the English singular. Empty for English."""
    path = LOCALES / language / f"{domain}.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        messages = read_po(file, Locale.parse(language))
    found: dict[str, str | tuple[str, ...]] = {}
    for message in messages:
        if message.id and not message.fuzzy:
            key = message.id if isinstance(message.id, str) else message.id[0]
            if message.string and all(message.string):
                found[key] = message.string if isinstance(message.string, str) else tuple(message.string)
    return found


@lru_cache
def words(language: str, domain: str) -> bytes:
    """What a page of the domain needs, as JSON."""
    found = {key: text for name in needed(domain) for key, text in catalogue(language, name).items()}
    return json.dumps(found, ensure_ascii=False).encode()


def needed(domain: str) -> tuple[str, ...]:
    """The domains whose texts a page of this one has."""
    return NEEDED.get(domain, ("common", domain))


class Speaker:
    """The texts of one page in one language, for its template."""

    def __init__(self, language: str, domain: str) -> None:
        self.language, self._domain = language, domain

    def text(self, key: str, **values: object) -> str:
        """Plain, for a title or an option; the element that has it names the key in `data-t`."""
        places = (catalogue(self.language, name) for name in needed(self._domain))
        found = next((place[key] for place in places if key in place), key)
        said = found if isinstance(found, str) else found[-1]
        return _PLACEHOLDER.sub(lambda name: str(values.get(name[1], name[0])), said)

    def said(self, key: str, **values: object) -> Markup:
        """An element that says it: `code` between backticks, **strong** between asterisks, `{name}` for a value."""
        given = Markup(' data-v="{}"').format(json.dumps(values, ensure_ascii=False)) if values else ""
        return Markup('<span data-t="{}"{}>{}</span>').format(key, given, marked(self.text(key, **values)))

    def attribute(self, name: str, key: str) -> Markup:
        """`aria-label="…"`, and its key beside it."""
        return Markup('{0}="{1}" data-t-{0}="{2}"').format(name, self.text(key), key)


def marked(text: str) -> Markup:
    """Backticks and asterisks as elements, all else as text."""
    parts, at = [], 0
    for found in _MARK.finditer(text):
        element = Markup("<code>{}</code>") if found[1] else Markup("<strong>{}</strong>")
        parts += [escape(text[at : found.start()]), element.format(found[1] or found[2])]
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])


def mark(key: str) -> str:
    """A text that is translated elsewhere: here only so that it gets into the catalogues."""
    return key
