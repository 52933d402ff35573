"""What every page of the dashboard is held to, checked in a real browser: accessibility, targets for gloves, and one language."""

import re
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page

from models.grades import GRADES

WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
TARGET_PX: Final = 48
KEPT_IN_ENGLISH: Final = frozenset(
    {
        *GRADES,
        *("Senka", "English", "PIN", "CSV", "ID", "Parquet", "ECE", "CNN", "ONNX", "JavaScript", "Cookie"),
        *("LeNet", "AlexNet", "VGG", "GoogLeNet", "ReLU"),
        *("cm", "mm", "kg", "px", "ms", "kB", "MB"),
    }
)
"""Words that stand in Japanese too. What people named, and what only programs read, has translate="no", lang="en" or is code."""
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z'’-]+")

_TEXTS: Final = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    if (parent.closest('[translate="no"], [lang="en"], code, pre, script, style, template, noscript, svg')) continue;
    if (parent.checkVisibility() || parent.closest('option')) found.push(walk.currentNode.data);
  }
  for (const name of ['aria-label', 'placeholder', 'title', 'alt'])
    for (const each of document.querySelectorAll(`[${name}]`))
      if (!each.closest('[translate="no"], [lang="en"], template, noscript')) found.push(each.getAttribute(name));
  found.push(document.title);
  return found.filter((text) => text.trim());
}"""

_TARGETS: Final = """(least) => {
  const found = [];
  const tapped = 'a[href], button, input, select, textarea, summary, [role="button"], [role="tab"]';
  for (const each of document.querySelectorAll(tapped)) {
    if (!each.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (each.type === 'hidden' || each.disabled) continue;
    if (each.classList.contains('skip')) continue;
    let box = each.getBoundingClientRect();
    const around = ['checkbox', 'radio', 'file'].includes(each.type) ? each.closest('label') : null;
    if (around) box = around.getBoundingClientRect();
    const after = getComputedStyle(each, '::after');
    if (after.position === 'absolute' && after.content !== 'none') box = each.offsetParent?.getBoundingClientRect() ?? box;
    // a link within a sentence is as high as its line, in WCAG too
    const inline = each.tagName === 'A' && getComputedStyle(each).display === 'inline' && each.closest('p, li, td, dd');
    if (!inline && box.width && (box.width < least - 0.5 || box.height < least - 0.5))
      found.push(`${each.outerHTML.slice(0, 120)} ${Math.round(box.width)}x${Math.round(box.height)}`);
  }
  return found;
}"""


def violations(page: Page) -> list[str]:
    """What axe-core has against the page by WCAG 2.2, A and AA: a line for each element."""
    options = {"runOnly": {"type": "tag", "values": list(WCAG)}, "resultTypes": ["violations"]}
    found: Any = Axe().run(page, options=options).response
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def small_targets(page: Page, least_px: int = TARGET_PX) -> list[str]:
    """Visible things to tap that are smaller than a finger in a glove needs."""
    found: list[str] = page.evaluate(_TARGETS, least_px)
    return found


def untranslated(page: Page) -> list[str]:
    """Texts of a page in Japanese that have a word of English."""
    texts: list[str] = page.evaluate(_TEXTS)
    return [text for text in texts if any(word not in KEPT_IN_ENGLISH for word in _WORD.findall(text))]


def overflow_px(page: Page) -> int:
    """By how much the page is wider than its window."""
    found: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


def complaints_of(page: Page) -> list[str]:
    """A list that fills with what the browser says against the page: script errors, refused inline code, missing files."""
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found
