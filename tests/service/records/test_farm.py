"""What is said of the farm, on record."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, insert, select

from service.farm import GRAMS_PER_FRUIT, YEN_PER_FRUIT, Farm
from service.records.audit import AuditFilters, page
from service.records.farm import change, read
from service.records.resources import Signature
from service.records.tables import farm_settings
from tests.service.gradings import NOON
from tests.service.records.opened import opened_database

BOSS, OTHER = Signature("boss", "10.0.0.7"), Signature("other")


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as opened:
        yield opened


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(farm_settings)).scalar_one()


def test_nothing_said_is_the_defaults(engine: Engine) -> None:
    assert read(engine) == Farm()
    assert change(engine, {}, BOSS) == Farm()
    assert (rows(engine), page(engine, AuditFilters(), 10)) == (0, [])


def test_only_what_is_given_changes_and_the_trail_says_what_it_was(engine: Engine) -> None:
    first = change(engine, {"name": "山田農園", "time_zone": "Asia/Tokyo", "yen_per_fruit": {"M": 17.5, "C": 0.0}}, BOSS)
    assert first == read(engine)
    assert (first.name, first.time_zone, first.shift_starts, first.changed_by) == ("山田農園", "Asia/Tokyo", ("00:00",), "boss")
    assert first.yen_per_fruit == {**YEN_PER_FRUIT, "M": 17.5, "C": 0.0}
    second = change(engine, {"shift_starts": ["06:00", "14:30"], "yen_per_fruit": {"L": 9.0, "C": None}}, OTHER)
    assert (second.name, second.shift_starts, second.changed_by) == ("山田農園", ("06:00", "14:30"), "other")
    assert second.yen_per_fruit == {**YEN_PER_FRUIT, "M": 17.5, "L": 9.0}
    assert second.grams_per_fruit == GRAMS_PER_FRUIT
    assert first.changed_at is not None
    assert second.changed_at is not None
    assert second.changed_at >= first.changed_at
    newest, oldest = page(engine, AuditFilters(), 10)
    assert (newest.action, newest.subject, newest.actor, newest.address) == ("farm.changed", "farm", "other", None)
    assert newest.detail["shift_starts"] == {"from": ["00:00"], "to": ["06:00", "14:30"]}
    assert newest.detail["yen_per_fruit"]["from"]["C"] == 0.0
    assert newest.detail["yen_per_fruit"]["to"]["C"] == YEN_PER_FRUIT["C"]
    assert (oldest.address, oldest.detail["name"]) == ("10.0.0.7", {"from": None, "to": "山田農園"})


def test_null_is_the_default_again(engine: Engine) -> None:
    change(engine, {"name": "x", "shift_starts": ["05:00"], "grams_per_fruit": {"M": 1.0}, "yen_per_fruit": {"M": 1.0}}, BOSS)
    wanted = {"name": None, "shift_starts": None, "grams_per_fruit": None, "yen_per_fruit": {"M": None}}
    back = change(engine, wanted, BOSS)
    assert (back.name, back.shift_starts) == (None, ("00:00",))
    assert (back.grams_per_fruit, back.yen_per_fruit) == (GRAMS_PER_FRUIT, YEN_PER_FRUIT)
    assert back.changed_by == "boss"
    assert page(engine, AuditFilters(), 10)[0].detail["name"] == {"from": "x", "to": None}


def test_the_same_once_more_is_no_change(engine: Engine) -> None:
    before = change(engine, {"name": "x", "yen_per_fruit": {"M": 1.0}}, BOSS)
    assert change(engine, {"name": "x", "yen_per_fruit": {"M": 1.0}}, OTHER) == before
    assert len(page(engine, AuditFilters(), 10)) == 1


def test_who_changed_anything_last(engine: Engine) -> None:
    with engine.begin() as connection:
        for name, by, second in (("name", "later", 9), ("time_zone", "earlier", 3)):
            at = NOON.replace(second=second)
            value = "Asia/Tokyo" if name == "time_zone" else "x"
            connection.execute(insert(farm_settings).values(name=name, value=value, changed_by=by, changed_at=at))
    found = read(engine)
    assert (found.changed_by, found.changed_at) == ("later", NOON.replace(second=9))
