"""Which pages there are: their templates, scripts, style sheets and titles."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from service.dashboard.language import domain_of, mark

HERE: Final = Path(__file__).parent
_IMPORTED: Final = re.compile(r'(?:from|import) "\./([\w-]+)\.js"')


@dataclass(frozen=True, slots=True)
class PageSpec:
    """One page."""

    template: str
    script: str
    """The module that it starts with, without `.js`."""
    title: str
    """In English, the key of its translation."""
    styles: tuple[str, ...] = ()
    """Beside senka.css."""
    own_feed: bool = False
    """Whether its script watches the line itself; on other pages the frame watches alarms and the connection."""

    @property
    def domain(self) -> str:
        """Where its texts are."""
        return domain_of(self.template)


_EXPLAIN: Final = ("explain.css",)
_LEARN: Final = ("explain.css", "learn.css")

PAGES: Final = {
    "/": PageSpec("live.html", "live", mark("Live"), ("live.css",), own_feed=True),
    "/review": PageSpec("review.html", "review", mark("Review"), ("review.css",)),
    "/gradings": PageSpec("gradings.html", "gradings", mark("Gradings"), ("gradings.css",)),
    "/gradings/{grading_id}": PageSpec("gradings_one.html", "gradings-one", mark("Grading"), ("gradings.css",)),
    "/lots": PageSpec("lots.html", "lots", mark("Lots"), ("lots.css",)),
    "/models": PageSpec("models.html", "models", mark("Models"), ("models.css",)),
    "/settings": PageSpec("settings.html", "settings", mark("Settings"), ("settings.css",)),
    # why a grade was given, what layers and channels see, and how far that can be trusted
    "/explain": PageSpec("explain.html", "explain-why", mark("Why this grade"), _EXPLAIN),
    "/explain/layers": PageSpec("explain_layers.html", "explain-layers", mark("Layers"), _EXPLAIN),
    "/explain/channels": PageSpec("explain_channels.html", "explain-channels", mark("Channels"), _EXPLAIN),
    "/explain/trust": PageSpec("learn_trust.html", "learn-trust", mark("Trust"), _LEARN),
    # how a network sees, in the order of the lecture that the project grew from
    "/learn": PageSpec("learn.html", "learn", mark("Learn"), _LEARN),
    "/learn/lenet": PageSpec("learn_lenet.html", "learn-lenet", mark("LeNet, cell by cell"), _LEARN),
    "/learn/pooling": PageSpec("learn_pooling.html", "learn-pooling", mark("Pooling"), _LEARN),
    "/learn/errors": PageSpec("learn_errors.html", "learn-errors", mark("The errors"), _LEARN),
    "/learn/architectures": PageSpec("learn_architectures.html", "learn-architectures", mark("Architectures"), _LEARN),
    "/learn/one-by-one": PageSpec("learn_one_by_one.html", "learn-one-by-one", mark("1×1 convolution"), _LEARN),
    "/learn/inception": PageSpec("learn_inception.html", "learn-inception", mark("An inception module"), _LEARN),
    "/learn/fft": PageSpec("learn_fft.html", "learn-fft", mark("Fourier"), _LEARN),
}
"""path -> page. What a page shows of what is asked for (`?grading=`, an id in its path) is its script's affair."""

LOGIN: Final = PageSpec("login.html", "login", mark("Log in"), ("login.css",))


@lru_cache
def modules(script: str) -> tuple[str, ...]:
    """The modules that a page's script needs, itself last, without `.js`: named in the page, so that the browser fetches them
    side by side, not one import after another."""
    found: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in found or name in above:
            return
        for needed in _IMPORTED.findall((HERE / "static" / f"{name}.js").read_text(encoding="utf-8")):
            visit(needed, above | {name})
        found[name] = None

    visit("shell", frozenset())
    visit(script, frozenset())
    return tuple(found)
