"""English and Japanese: the catalogues are complete, true to their keys, and reach the page."""

import json
import re
from pathlib import Path

import httpx2
import pytest
from babel import Locale
from babel.messages.pofile import read_po

import service.dashboard
from service.dashboard.catalogues import missing, script_texts, updated, written
from service.dashboard.language import DOMAINS, LOCALES, Speaker, catalogue, negotiated, words
from service.dashboard.pages import PAGES
from service.monitor import rollback
from service.records import disk, recorder, retention, spool
from tests.service.dashboard.fake_line import FakeLine, free_port, serving

HERE = Path(service.dashboard.__file__).parent
SCRIPTS = sorted((HERE / "static").glob("*.js"))
ALARMS = (
    disk.DISK_LOW,
    disk.NOT_STORED,
    recorder.AWAY,
    recorder.REFUSED,
    retention.CLOCK_JUMPED,
    rollback.MODEL_ROLLED_BACK,
    spool.AWAY,
)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_text_of_the_pages_has_its_japanese(domain: str) -> None:
    catalog = updated("ja", domain)
    assert missing(catalog) == []
    path = LOCALES / "ja" / f"{domain}.po"
    # in step with the pages: python -m service.dashboard.catalogues
    assert path.read_bytes() == written(catalog)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_translation_keeps_what_its_text_has(domain: str) -> None:
    with (LOCALES / "ja" / f"{domain}.po").open("rb") as file:
        messages = [each for each in read_po(file, Locale.parse("ja")) if each.id]
    assert messages
    for each in messages:
        keys = each.id if isinstance(each.id, tuple) else (each.id,)
        strings = each.string if isinstance(each.string, tuple) else (each.string,)
        assert not each.fuzzy, each.id
        for string in strings:
            assert set(re.findall(r"\{\w+\}", string)) == set(re.findall(r"\{\w+\}", keys[-1])), keys
            for sign in ("**", "`"):
                assert string.count(sign) == keys[-1].count(sign), keys


def test_every_call_of_a_script_is_found() -> None:
    script = """
    // t("a comment")
    const SAID = { a: mark("in a table"), b: other("not ours") };
    element.textContent = t("outer {what}", { what: t("inner") });
    place.append(`${t("in a template")} ${tn(list.length, "{count} fruit", "{count} fruits")}`);
    say(at("x"), "said \\"quoted\\"", { a: 1 });
    label(button, "aria-label", "labelled");
    """
    assert list(script_texts(script)) == [
        "in a table",
        "outer {what}",
        "inner",
        "in a template",
        'said "quoted"',
        "labelled",
        ("{count} fruit", "{count} fruits"),
    ]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_nothing_that_cannot_be_found(path: Path) -> None:
    """A text in single quotes or backticks would never be translated."""
    script = path.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])(?:t|mark)\(\s*['`]", script) == []


def test_every_alarm_and_every_refusal_has_words() -> None:
    script = (HERE / "static" / "alarms.js").read_text(encoding="utf-8")
    assert set(ALARMS) <= set(re.findall(r"^  (\w+): \[", script, re.MULTILINE))


@pytest.mark.parametrize(
    ("cookie", "accepted", "expected"),
    [
        (None, None, "en"),
        (None, "ja", "ja"),
        (None, "ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        (None, "en;q=0.5,ja;q=0.9", "ja"),
        (None, "fr,en;q=0.7", "en"),
        (None, "fr", "en"),
        (None, "q=;;,ja;q=x,\x00", "en"),
        ("ja", "en", "ja"),
        ("en", "ja", "en"),
        ("xx", "ja", "ja"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_best_that_the_browser_asks_for(
    cookie: str | None, accepted: str | None, expected: str
) -> None:
    assert negotiated(cookie, accepted) == expected


def test_a_text_says_its_key_and_its_values_and_nothing_of_them_is_markup() -> None:
    speaker = Speaker("ja", "common")
    assert speaker.text("Lots") == "ロット"
    assert str(speaker.said("Seen by {name}", name="<b>")) == (
        '<span data-t="Seen by {name}" data-v="{&#34;name&#34;: &#34;&lt;b&gt;&#34;}">確認済み：&lt;b&gt;</span>'
    )
    assert str(Speaker("en", "live").said("**Look** at `doctor` <now>")) == (
        '<span data-t="**Look** at `doctor` &lt;now&gt;"><strong>Look</strong> at <code>doctor</code> &lt;now&gt;</span>'
    )
    assert speaker.text("said by nobody") == "said by nobody"


def test_the_browser_gets_the_same_catalogue() -> None:
    said = json.loads(words("ja", "live"))
    assert said["Lots"] == "ロット"
    assert said["Manual lane"] == catalogue("ja", "live")["Manual lane"]
    assert words("en", "live") == b"{}"
    with serving(FakeLine(), free_port()) as url:
        answer = httpx2.get(f"{url}/words/ja/live")
        assert answer.json() == said
        page = httpx2.get(url, headers={"Accept-Language": "ja"}).text
        assert '<html lang="ja"' in page
        assert "手選別レーン" in page
        chosen = httpx2.get(url, headers={"Accept-Language": "ja", "Cookie": "senka_language=en"})
        assert '<html lang="en"' in chosen.text
        assert "Cookie" in chosen.headers["vary"]


def test_each_page_belongs_to_a_domain_that_has_its_title() -> None:
    for spec in PAGES.values():
        assert spec.domain in DOMAINS
        assert spec.title in catalogue("ja", "common")
