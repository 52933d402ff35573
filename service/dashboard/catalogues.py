"""Brings the catalogues up to date with the pages: python -m service.dashboard.catalogues

New texts come in untranslated, those that no page says any more go, translations stay. Exit 1 where a translation is missing.
"""

import json
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from service.dashboard.language import DOMAINS, LANGUAGES, LOCALES, domain_of

HERE: Final = Path(__file__).parent
TEMPLATE_KEYWORDS: Final[dict[str, Any]] = {"_": None, "text": None, "attr": (2,), "mark": None}
_COMMENT: Final = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
_STRING: Final = r'("(?:[^"\\\n]|\\.)*")'
_FIRST: Final = r'(?:[^,"()]|"[^"\n]*"|\([^()]*\))+'
_CALLS: Final = (
    re.compile(rf"\b(?:t|mark)\(\s*{_STRING}"),
    re.compile(rf"\bsay\({_FIRST},\s*{_STRING}"),
    re.compile(rf'\blabel\({_FIRST},\s*"[\w-]+",\s*{_STRING}'),
)
_NUMBERED: Final = re.compile(rf"\btn\({_FIRST},\s*{_STRING},\s*{_STRING}")
"""Calls of static/i18n.js, whose texts are literals in double quotes. Babel's own reader of JavaScript passes over a call within
another call, and over one in a template string."""


def script_texts(script: str) -> Iterator[str | tuple[str, ...]]:
    """The texts of a script; one that has a number with its plural."""
    told = _COMMENT.sub("", script)
    for call in _CALLS:
        yield from (json.loads(text) for text in call.findall(told))
    yield from ((json.loads(one), json.loads(many)) for one, many in _NUMBERED.findall(told))


def texts(domain: str) -> Iterator[tuple[str | tuple[str, ...], str]]:
    """Each text of a domain, and the name of the file that says it."""
    for path in sorted((HERE / "static").glob("*.js")):
        if domain_of(path.name) == domain:
            yield from ((text, path.name) for text in script_texts(path.read_text(encoding="utf-8")))
    others = [(path, "jinja2.ext.babel_extract", TEMPLATE_KEYWORDS) for path in sorted((HERE / "templates").glob("*.html"))]
    others += [(path, "python", {"mark": None}) for path in sorted(HERE.glob("*.py"))]
    for path, method, keywords in others:
        if (domain_of(path.name) if path.suffix == ".html" else "common") == domain:
            for _, message, _, _ in extract(method, BytesIO(path.read_bytes()), keywords):
                if message:
                    yield (message if isinstance(message, str) else tuple(message)), path.name


def updated(language: str, domain: str) -> Catalog:
    """The catalogue with exactly the texts that the pages say now."""
    path = LOCALES / language / f"{domain}.po"
    if path.exists():
        with path.open("rb") as file:
            kept = read_po(file, Locale.parse(language))
    else:
        kept = Catalog(Locale.parse(language))
    found = Catalog(Locale.parse(language), project="Senka", fuzzy=False)
    for text, name in texts(domain):
        earlier = kept.get(text[0] if isinstance(text, tuple) else text)
        found.add(text, earlier.string if earlier else None, locations=[(name, 0)])
    return found


def missing(catalog: Catalog) -> list[str]:
    """Texts without a translation."""
    return [str(each.id) for each in catalog if each.id and not (each.string and all(each.string))]


def written(catalog: Catalog) -> bytes:
    """As kept: sorted by text, without dates or line numbers, so that a change shows what it changed."""
    buffer = BytesIO()
    write_po(buffer, catalog, width=130, sort_output=True, omit_header=True, include_lineno=False)
    return buffer.getvalue()


def main() -> None:
    lacking = 0
    for language in LANGUAGES[1:]:
        for domain in DOMAINS:
            catalog = updated(language, domain)
            path = LOCALES / language / f"{domain}.po"
            if len(catalog) or path.exists():
                path.write_bytes(written(catalog))
            for text in missing(catalog):
                sys.stderr.write(f"{path.name}: not translated: {text}\n")
                lacking += 1
    sys.exit(bool(lacking))


if __name__ == "__main__":
    main()
