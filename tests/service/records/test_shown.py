"""Photographs in memory: found again for a while, bounded, and forgotten."""

import pytest

from service.records import shown
from service.records.shown import KEPT_FOR_S, Shown


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_photograph_is_kept_for_a_while() -> None:
    clock = Clock()
    kept = Shown(clock)
    kept.put("a", (b"1234", "image/png"))
    assert kept.get("a") == (b"1234", "image/png")
    assert kept.get("b") is None
    clock.now_s += KEPT_FOR_S - 0.01
    kept.put("a", (b"1234", "image/png"))  # looking at it again does not prolong it
    assert kept.get("a")
    clock.now_s += 0.01
    assert kept.get("a") is None


def test_the_oldest_goes_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "KEPT_BYTES", 10)
    kept = Shown()
    for name in "abc":
        kept.put(name, (b"1234", "image/png"))
    assert [name for name in "abc" if kept.get(name)] == ["b", "c"]
    kept.put("large", (b"12345678901", "image/png"))
    assert kept.get("large") is None
    assert kept.get("c")


def test_where_a_photograph_is_kept_is_known_for_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "KEYS", 2)
    kept = Shown()
    for name in "abc":
        kept.note(name, f"{name}.jpg")
    kept.note("without", None)
    assert [kept.key(name) for name in ("a", "b", "c", "without")] == [None, "b.jpg", "c.jpg", None]
