"""A report equals what counting the gradings one by one gives, on both databases, in any time zone and with any shifts."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert, text

from models.grades import GRADES
from service.farm import GRAMS_PER_FRUIT, YEN_PER_FRUIT
from service.grading import Grading, ModelRef, new_id, rfc3339
from service.records import report_counts
from service.records.corrections import correct, undo
from service.records.farm import change
from service.records.report import By, report
from service.records.report_counts import Which
from service.records.resources import Signature
from service.records.tables import lots
from service.shifts import shift_at
from tests.databases import DATABASES, database_url
from tests.service.gradings import NOON, grading
from tests.service.records.opened import opened_database, put_gradings
from tests.service.season import Season

SIGNED = Signature("boss")
# Sixty days to 28 October, from half past seven to half past five in UTC
SEASON = Season(2_000, datetime(2026, 10, 28, 17, 43, tzinfo=UTC))
ALL = [
    replace(one, model=ModelRef("cucumber", 3 if number < 750 else 4, "ab" * 32)) for number, one in enumerate(SEASON.gradings())
] + [
    grading(number, None if number % 5 else "C", line=None, lot=None, received_at=SEASON.end + timedelta(minutes=number))
    for number in range(40)
]
GROWER_OF = {
    str(one.origin.lot): "=山田" if "-1" in str(one.origin.lot) else "佐藤"
    for one in ALL
    if one.origin.lot and one.origin.lot[-1] == "A"
}
CORRECTED = [one.id for one in ALL[::19]]
MIDDLE = ALL[1_000].received_at
HOUR = MIDDLE.replace(minute=0, second=0, microsecond=0)
WHICH = [
    Which(),
    Which(line="1"),
    Which(lot=ALL[1_000].origin.lot),
    Which(grower="=山田"),
    Which(since=HOUR, until=HOUR + timedelta(hours=1)),
    Which(since=MIDDLE, until=MIDDLE + timedelta(minutes=20)),
    Which(since=MIDDLE - timedelta(days=3, minutes=11), until=MIDDLE + timedelta(days=4, minutes=3)),
    Which(since=MIDDLE, line="2", grower="佐藤"),
    Which(until=MIDDLE),
    Which(since=HOUR),
    Which(since=MIDDLE, until=MIDDLE),
    Which(since=MIDDLE, until=MIDDLE - timedelta(seconds=1)),
    Which(line="no such line"),
    Which(grower="nobody"),
]


@pytest.fixture(scope="module", params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A season on record, every 19th grading of it corrected."""
    with ExitStack() as stack:
        opened = stack.enter_context(
            opened_database(stack.enter_context(database_url(request.param, tmp_path_factory.mktemp("season"))))
        )
        put_gradings(opened, ALL)
        with opened.begin() as connection:
            rows = [{"name": lot, "grower": grower, "created_at": NOON} for lot, grower in GROWER_OF.items()]
            connection.execute(insert(lots), rows)
        for number, one in enumerate(CORRECTED):
            made = correct(opened, one, "L", None, by="x")
            if number % 4 == 0:  # changed their mind: it counts once
                correct(opened, one, "M", None, by="y")
            if number % 4 == 1:
                undo(opened, made.id, by="x")
        if request.param == "postgresql":
            with opened.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
        yield opened


IN_EFFECT = {one for number, one in enumerate(CORRECTED) if number % 4 != 1}


def fits(one: Grading, which: Which) -> bool:
    return (
        (which.since is None or one.received_at >= which.since)
        and (which.until is None or one.received_at < which.until)
        and (which.line is None or one.origin.line == which.line)
        and (which.lot is None or one.origin.lot == which.lot)
        and (which.grower is None or GROWER_OF.get(one.origin.lot or "") == which.grower)
    )


def key_of(by: By, zone: str, starts: list[str]) -> Callable[[Grading], str | None]:
    place = ZoneInfo(zone)
    at = tuple(time.fromisoformat(each) for each in starts) if by == "shift" else (time(0),)
    if by == "shift" or by == "day":
        return lambda one: shift_at(one.received_at, at, place).since.isoformat()
    if by == "grower":
        return lambda one: GROWER_OF.get(one.origin.lot or "")
    return lambda one: getattr(one.origin, by)  # type: ignore[no-any-return]


def figures(made: list[Grading]) -> dict[str, Any]:
    """What a row says, counted by hand."""
    sure = [one.confidence for one in made if one.confidence is not None]
    counts = {grade: sum(one.grade == grade for one in made) for grade in GRADES}
    manual = sum(one.lane == "manual" for one in made)
    corrected = sum(one.id in IN_EFFECT for one in made)
    whole = len(made) or 1
    return {
        "total": len(made),
        "grades": {grade: {"count": count, "share": pytest.approx(count / whole)} for grade, count in counts.items()},
        "ungraded": len(made) - len(sure),
        "manual": manual,
        "manual_share": pytest.approx(manual / whole),
        "mean_confidence": pytest.approx(sum(sure) / len(sure)) if sure else None,
        "kg": pytest.approx(sum(counts[grade] * GRAMS_PER_FRUIT[grade] for grade in GRADES) / 1000, abs=1e-3),
        "yen": pytest.approx(sum(counts[grade] * YEN_PER_FRUIT[grade] for grade in GRADES), abs=1e-2),
        "corrections": corrected,
        "corrected_share": pytest.approx(corrected / whole),
        "models": sorted({one.model.version for one in made}),
        "first_received_at": rfc3339(min(one.received_at for one in made)) if made else None,
        "last_received_at": rfc3339(max(one.received_at for one in made)) if made else None,
        "exact": True,
    }


def by_hand(made: list[Grading], key: Callable[[Grading], str | None]) -> dict[str | None, dict[str, Any]]:
    groups: dict[str | None, list[Grading]] = {}
    for one in made:
        groups.setdefault(key(one), []).append(one)
    return {name: figures(group) for name, group in groups.items()}


def shown(answer: dict[str, Any]) -> dict[str | None, dict[str, Any]]:
    names = [row["key"] for row in answer["rows"]]
    assert len(set(names)) == len(names)
    return {
        row["key"]: {name: value for name, value in row.items() if name not in ("key", "until", "grower")}
        for row in answer["rows"]
    }


@pytest.mark.parametrize("by", ["lot", "grower", "line", "camera"])
def test_rows_by_name_are_the_counts(engine: Engine, by: By) -> None:
    change(engine, {"time_zone": "Asia/Tokyo"}, SIGNED)
    for which in WHICH:
        made = [one for one in ALL if fits(one, which)]
        answer = report(engine, by, which, 500)
        assert shown(answer) == by_hand(made, key_of(by, "Asia/Tokyo", [])), which
        assert answer["total"] == figures(made)
        assert not answer["truncated"]
        lasts = [row["last_received_at"] for row in answer["rows"]]
        assert lasts == sorted(lasts, reverse=True)
        assert {row["until"] for row in answer["rows"]} <= {None}
        for row in answer["rows"]:
            assert row["grower"] == (GROWER_OF.get(row["key"] or "") if by == "lot" else None)


@pytest.mark.parametrize(
    ("zone", "starts"),
    [
        ("Asia/Tokyo", ["06:00", "14:00"]),
        ("Asia/Tokyo", ["00:45", "17:20", "17:40"]),
        ("Asia/Kolkata", ["00:00"]),
        ("Pacific/Auckland", ["02:30", "10:00"]),  # 02:30 does not come on 27 September
        ("Australia/Lord_Howe", ["03:00"]),  # its clock is set by half an hour on 4 October
    ],
)
@pytest.mark.parametrize("by", ["shift", "day"])
def test_rows_by_time_are_the_counts(engine: Engine, by: By, zone: str, starts: list[str]) -> None:
    change(engine, {"time_zone": zone, "shift_starts": starts}, SIGNED)
    key = key_of(by, zone, starts)
    keys = {one.id: key(one) for one in ALL}
    at = tuple(time.fromisoformat(each) for each in starts) if by == "shift" else (time(0),)
    for which in WHICH:
        made = [one for one in ALL if fits(one, which)]
        answer = report(engine, by, which, 500)
        assert shown(answer) == by_hand(made, lambda one: keys[one.id]), which
        assert answer["total"] == figures(made)
        begun = [datetime.fromisoformat(row["key"]) for row in answer["rows"]]
        assert begun == sorted(begun, reverse=True)
        for row in answer["rows"]:
            assert row["until"] == shift_at(datetime.fromisoformat(row["key"]), at, ZoneInfo(zone)).until.isoformat()


def test_what_is_too_much_to_look_at_says_so_and_loses_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_counts, "READ_AT_MOST", 30)
    change(engine, {"time_zone": "Asia/Kolkata", "shift_starts": ["00:00", "16:00"]}, SIGNED)
    answer = report(engine, "shift", Which(), 500)
    exact = by_hand(ALL, key_of("shift", "Asia/Kolkata", ["00:00", "16:00"]))
    found = shown(answer)
    sure = {name: row for name, row in found.items() if row["exact"]}
    assert 0 < len(sure) < len(found)
    assert sure == {name: exact[name] for name in sure}
    assert sum(row["total"] for row in found.values()) == len(ALL) == answer["total"]["total"]
    assert sum(row["corrections"] for row in found.values()) == len(IN_EFFECT)
    newest = answer["rows"][0]
    assert newest["exact"]  # looked at newest first
    monkeypatch.setattr(report_counts, "READ_AT_MOST_OF_PLACES", 0)
    assert not all(row["exact"] for row in report(engine, "shift", Which(line="1"), 500)["rows"])


def test_a_limit_keeps_the_newest_and_the_total_of_all(engine: Engine) -> None:
    change(engine, {"time_zone": "Asia/Tokyo"}, SIGNED)
    every = report(engine, "day", Which(), 500)
    few = report(engine, "day", Which(), 7)
    assert few["rows"] == every["rows"][:7]
    assert (few["truncated"], few["total"]) == (True, every["total"])


def test_estimates_are_the_farm_s(engine: Engine) -> None:
    change(engine, {"grams_per_fruit": {"M": 200}, "yen_per_fruit": {"M": 100, "C": 0}}, SIGNED)
    answer = report(engine, "line", Which(line="1"), 500)
    change(engine, {"grams_per_fruit": None, "yen_per_fruit": None}, SIGNED)
    before = report(engine, "line", Which(line="1"), 500)
    grades = answer["total"]["grades"]
    assert answer["total"]["kg"] - before["total"]["kg"] == pytest.approx(grades["M"]["count"] * 0.1)
    more = grades["M"]["count"] * (100 - YEN_PER_FRUIT["M"]) - grades["C"]["count"] * YEN_PER_FRUIT["C"]
    assert answer["total"]["yen"] - before["total"]["yen"] == pytest.approx(more)
    assert (answer["estimates"]["yen_per_fruit"]["C"], before["estimates"]["yen_per_fruit"]["C"]) == (0, YEN_PER_FRUIT["C"])


def test_nothing_on_record(any_database: str, tmp_path: Path) -> None:
    with opened_database(any_database) as opened:
        for by in ("lot", "grower", "line", "camera", "shift", "day"):
            answer = report(opened, by, Which(), 500)  # type: ignore[arg-type]
            assert (answer["rows"], answer["total"], answer["truncated"]) == ([], figures([]), False)


def test_models_of_one_hour_are_told_apart_where_a_shift_starts_in_it(any_database: str) -> None:
    made = [
        grading(60 * minute, model=ModelRef("cucumber", 3 if minute < 25 else 4 if minute < 40 else 7, "ab" * 32), id=new_id())
        for minute in range(60)
    ]
    with opened_database(any_database) as opened:
        put_gradings(opened, made)
        change(opened, {"time_zone": "UTC", "shift_starts": ["12:20", "12:40"]}, SIGNED)
        rows = report(opened, "shift", Which(), 500)["rows"]
        assert [(row["models"], row["total"]) for row in rows] == [([7], 20), ([3, 4], 20), ([3], 20)]
        assert report(opened, "day", Which(), 500)["rows"][0]["models"] == [3, 4, 7]
        assert report(opened, "lot", Which(since=NOON + timedelta(minutes=30)), 500)["rows"][0]["models"] == [4, 7]
