"""Keys of cameras: made, checked without the database, revoked everywhere within two seconds."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import InvalidRequest, NotFound
from service.records import tables
from service.security import keys as module
from service.security.keys import KeyNotChecked, Keys


@pytest.fixture
def keys(engine: Engine) -> Keys:
    return Keys(engine)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[Keys], None]:
    """Takes the database away from one of them."""

    class Gone:
        def connect(self) -> None:
            raise OperationalError("SELECT", {}, Exception("connection refused"))

        begin = connect

    return lambda keys: monkeypatch.setattr(keys, "_engine", Gone())


def until(condition: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_key_is_good_and_only_its_hash_is_kept(keys: Keys, engine: Engine) -> None:
    key, bearer = keys.add("line 1", "line1-top", by="boss", address="10.0.0.9")
    assert re.fullmatch(rf"senka_{key.prefix}_[A-Za-z0-9_-]{{43}}", bearer)
    assert keys.known(bearer) == keys.verify(bearer) == key == keys.get(key.prefix)
    assert (key.name, key.camera, key.scope, key.created_by, key.revoked_at) == ("line 1", "line1-top", "grade", "boss", None)
    with engine.connect() as connection:
        kept = str([connection.execute(select(table)).all() for table in (tables.keys, tables.audit)])
    assert bearer.rpartition("_")[2] not in kept
    assert bearer[15:] not in kept + str(keys.list()) + str([one.to_json() for one in keys.list()])


def test_anything_else_is_not(keys: Keys) -> None:
    key, bearer = keys.add("line 1", by="boss")
    _, other = keys.add("line 2", by="boss")
    wrong = bearer[:-1] + ("a" if bearer[-1] != "a" else "b")
    mixed = bearer[:15] + other[15:]
    for text in (
        wrong,
        mixed,
        bearer[:-1],
        bearer + "a",
        bearer.upper(),
        f" {bearer}",
        f"{bearer}\n",
        key.prefix,
        "",
        "x" * 100_000,
    ):
        assert keys.known(text) is None
        assert keys.verify(text) is None


def test_a_revoked_key_is_out_here_at_once_and_elsewhere_within_two_seconds(keys: Keys, engine: Engine) -> None:
    elsewhere = Keys(engine)
    key, bearer = keys.add("line 1", by="boss")
    elsewhere.start()
    try:
        assert elsewhere.known(bearer) is not None
        revoked = keys.revoke(key.prefix, by="boss")
        assert revoked.revoked_at is not None
        assert keys.known(bearer) is None
        assert keys.verify(bearer) is None
        until(lambda: elsewhere.known(bearer) is None, module.REFRESH_S * 2 + 5)  # and much more where the machine is busy
        assert elsewhere.verify(bearer) is None
    finally:
        elsewhere.stop()
    assert keys.revoke(key.prefix, by="boss").revoked_at == revoked.revoked_at  # once is enough
    with engine.connect() as connection:
        actions = connection.execute(select(tables.audit.c.action).order_by(tables.audit.c.seq)).scalars().all()
    assert actions == ["key.added", "key.revoked"]


def test_keys_in_memory_are_never_older_than_two_seconds_by_their_clock() -> None:
    assert module.REFRESH_S + module.REFRESH_S / 2 < 2


def test_a_key_made_elsewhere_is_found_when_it_is_first_shown(
    keys: Keys, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 3600.0)
    elsewhere = Keys(engine)
    elsewhere.start()
    try:
        key, bearer = keys.add("line 1", by="boss")
        assert elsewhere.known(bearer) is None
        time.sleep(module.REFRESH_ON_MISS_S)
        assert elsewhere.verify(bearer) == key
        assert elsewhere.known(bearer) == key
    finally:
        elsewhere._stopping.set()
        elsewhere.stop()


def test_keys_of_strangers_cost_few_queries(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_ON_MISS_S", 3600.0)
    keys.add("line 1", by="boss")
    reads: list[float] = []
    read = keys._read
    monkeypatch.setattr(keys, "_read", lambda: (reads.append(time.monotonic()), read()))
    for number in range(200):
        assert keys.verify(f"senka_{number:08x}_{'a' * 43}") is None
    assert len(reads) <= 1


def test_known_keys_stay_good_while_the_database_is_away(keys: Keys, cut: Callable[[Keys], None]) -> None:
    _, bearer = keys.add("line 1", by="boss")
    cut(keys)
    keys._refreshed_s = float("-inf")
    assert keys.verify(bearer) is not None
    keys._write_used(everything=True)
    assert keys._used, "when it was used is written once the database is back"


def test_a_key_that_is_not_known_may_be_new_while_the_database_is_away(
    keys: Keys, engine: Engine, cut: Callable[[Keys], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.0)
    monkeypatch.setattr(module, "REFRESH_ON_MISS_S", 0.0)
    elsewhere = Keys(engine)
    known, first = elsewhere.add("line 1", by="boss")
    assert keys.verify(first) == known
    key, bearer = elsewhere.add("line 2", by="boss")
    cut(keys)
    for new in (bearer, f"senka_00000000_{'a' * 43}"):
        with pytest.raises(KeyNotChecked, match="Send the photograph again later"):
            keys.verify(new)
    assert keys.verify(f"senka_{known.prefix}_{'a' * 43}") is None  # a known key has one secret, and this is not it
    assert keys.verify("no key at all") is None
    assert keys.verify(first) == known
    monkeypatch.setattr(keys, "_engine", engine)
    assert keys.verify(bearer) == key
    assert keys.verify(f"senka_00000000_{'a' * 43}") is None


@pytest.mark.parametrize("error", [OperationalError("SELECT", {}, Exception("gone")), PoolTimeout("every connection is in use")])
def test_a_revocation_is_seen_after_an_outage_too(
    keys: Keys, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.02)
    monkeypatch.setattr(module, "AWAY_S", 0.02)
    elsewhere = Keys(engine)
    key, bearer = keys.add("line 1", by="boss")
    elsewhere.start()
    try:
        failed: list[int] = []

        def fail() -> None:
            failed.append(1)
            raise error

        with monkeypatch.context() as outage:
            outage.setattr(elsewhere, "_read", fail)
            until(lambda: len(failed) > 3, 10)
            assert elsewhere.known(bearer) == key
        keys.revoke(key.prefix, by="boss")
        until(lambda: elsewhere.known(bearer) is None, 10)
    finally:
        elsewhere.stop()
    assert caplog.text.count("the database is away") == 1


def test_when_a_key_was_used_is_written_once_a_minute(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    key, bearer = keys.add("line 1", by="boss")
    assert key.last_used_at is None
    before = datetime.now(UTC)
    keys.verify(bearer)
    keys._write_used()
    used = keys.get(key.prefix).last_used_at
    assert used is not None
    assert before <= used <= datetime.now(UTC)
    keys.verify(bearer)
    keys._write_used()
    assert keys.get(key.prefix).last_used_at == used  # the minute is not over
    monkeypatch.setattr(module, "USED_EVERY_S", 0.0)
    keys._write_used()
    later = keys.get(key.prefix).last_used_at
    assert later is not None
    assert later > used


def test_stopping_writes_when_keys_were_used(keys: Keys) -> None:
    key, bearer = keys.add("line 1", by="boss")
    keys.start()
    keys.known(bearer)
    keys.stop()
    assert keys.get(key.prefix).last_used_at is not None


def test_names_that_cannot_be_are_refused(keys: Keys) -> None:
    for name, camera in (("", None), ("a" * 101, None), ("line 1", ""), ("line 1", "a" * 101)):
        with pytest.raises(InvalidRequest):
            keys.add(name, camera, by="boss")
    assert keys.list() == []
    assert not keys.any_good()


@pytest.mark.parametrize("prefix", ["00000000", "", "a\x00b", "\ud800", "x" * 100_000])
def test_a_key_that_is_not_there_cannot_be_revoked(keys: Keys, prefix: str) -> None:
    with pytest.raises(NotFound):
        keys.revoke(prefix, by="boss")


def test_a_look_up_costs_little(keys: Keys) -> None:
    bearers = [keys.add(f"line {number}", by="boss")[1] for number in range(20)]
    began = time.perf_counter()
    for number in range(2000):
        assert keys.known(bearers[number % 20])
    assert (time.perf_counter() - began) / 2000 < 0.001  # measured 3 to 5 microseconds
