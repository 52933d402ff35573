"""Versions of the rules: found again, made once, however many workers start together."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select

from service.errors import NotFound
from service.grading import ModelRef
from service.profiles import profile_in_effect, rules_of
from service.records import profiles
from service.records.served import note_served
from service.records.tables import models
from service.settings import Settings
from tests.service.records.opened import opened_database


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


def test_rules_that_were_in_effect_before_have_their_version_again(engine: Engine) -> None:
    half, most = rules_of(Settings(manual_below=0.5)), rules_of(Settings(manual_below=0.9))
    assert [profile_in_effect(engine, rules) for rules in (half, half, most, half, most)] == [1, 1, 2, 1, 2]
    assert [(one.version, one.rules, one.created_by) for one in profiles.page(engine)] == [
        (2, {"manual_below": 0.9}, "senka"), (1, {"manual_below": 0.5}, "senka"),
    ]  # fmt: skip
    assert profiles.get(engine, 2).rules == most
    with pytest.raises(NotFound):
        profiles.get(engine, 3)


def test_workers_that_start_together_agree(engine: Engine) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda below=number % 2: found.append(profile_in_effect(engine, {"manual_below": below})))  # type: ignore[misc]
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [1] * 4 + [2] * 4
    assert len(profiles.page(engine)) == 2


def test_a_model_is_noted_when_it_first_grades(engine: Engine) -> None:
    ref = ModelRef("cucumber", 3, "ab" * 32)
    for card in ({"architecture": "lenet"}, {"architecture": "other"}):
        note_served(engine, ref, card)
    note_served(engine, ModelRef("cucumber", 4, "cd" * 32), {})
    with engine.connect() as connection:
        rows = connection.execute(select(models.c.version, models.c.card).order_by(models.c.version)).all()
    assert [tuple(row) for row in rows] == [(3, {"architecture": "lenet"}), (4, {})]
