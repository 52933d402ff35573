"""Wrong passwords slow down, for everybody who tries, and only for them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from service.errors import LoginThrottled
from service.records.tables import login_failures
from service.security.principal import Role
from service.security.throttle import (
    FREE_BY_ADDRESS,
    FREE_BY_NAME,
    LONGEST_WAIT_S,
    PIN_FAILURES,
    REMEMBERED_FOR,
    PinRefused,
    Throttle,
)
from service.security.users import Users
from tests.service.security.conftest import QUICK

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(login_failures)).scalar_one()


def wait_s(throttle: Throttle, name: str, address: str, now: datetime) -> int:
    with pytest.raises(LoginThrottled) as refused:
        throttle.begin(name, address, now)
    return int(refused.value.facts["wait_s"])


def test_a_name_waits_longer_each_time(engine: Engine) -> None:
    throttle = Throttle(engine)
    now = NOON
    for number in range(FREE_BY_NAME):
        throttle.begin("Kenji", f"198.51.100.{number}", now)
    waits = []
    for number in range(13):
        waits.append(wait_s(throttle, "kenji ", f"198.51.100.{100 + number}", now))  # as it is spelled matters not
        now += timedelta(seconds=waits[-1])
        throttle.begin("Kenji", f"198.51.100.{100 + number}", now)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == LONGEST_WAIT_S
    throttle.begin("Aiko", "198.51.100.200", now)


def test_asking_while_one_has_to_wait_does_not_make_it_longer(engine: Engine) -> None:
    throttle = Throttle(engine)
    for _ in range(FREE_BY_NAME):
        throttle.begin("Kenji", "198.51.100.7", NOON)
    for _ in range(10):
        wait_s(throttle, "Kenji", "198.51.100.7", NOON)
    throttle.begin("Kenji", "198.51.100.7", NOON + timedelta(seconds=1))


def test_an_address_that_tries_many_names_waits(engine: Engine) -> None:
    throttle = Throttle(engine)
    for number in range(FREE_BY_ADDRESS):
        throttle.begin(f"name {number}", f"2001:db8::{number:x}", NOON)  # one subscriber has all of these
    assert wait_s(throttle, "another", "2001:db8::ffff", NOON) == 1
    throttle.begin("another", "2001:db8:1::1", NOON)


def test_the_right_password_forgets_ones_own_mistakes_only(engine: Engine) -> None:
    throttle = Throttle(engine)
    for _ in range(FREE_BY_NAME - 2):
        throttle.begin("Kenji", "198.51.100.66", NOON)  # somebody else
    throttle.begin("Kenji", "198.51.100.7", NOON)
    attempt = throttle.begin("Kenji", "198.51.100.7", NOON)
    throttle.succeeded(attempt)
    assert rows(engine) == FREE_BY_NAME - 2


def test_old_failures_are_forgotten_and_deleted(engine: Engine) -> None:
    throttle = Throttle(engine)
    for _ in range(FREE_BY_NAME):
        throttle.begin("Kenji", "198.51.100.7", NOON)
    throttle.begin("Kenji", "198.51.100.7", NOON + REMEMBERED_FOR + timedelta(seconds=1))
    assert rows(engine) == 1


def test_after_too_many_failures_a_name_needs_its_password_or_a_new_pin(engine: Engine) -> None:
    throttle, users = Throttle(engine), Users(engine, QUICK)
    users.add("Kenji", Role.OPERATOR, password="green and straight", by="test")
    now = NOON
    for number in range(PIN_FAILURES):
        throttle.begin("Kenji", f"198.51.100.{number}", now, pin=True)
        now += timedelta(seconds=LONGEST_WAIT_S)
    with pytest.raises(PinRefused, match="password works") as refused:
        throttle.begin("Kenji", "203.0.113.7", now, pin=True)
    assert refused.value.code == "login_throttled"
    assert now + timedelta(seconds=refused.value.facts["wait_s"]) == NOON + REMEMBERED_FOR
    attempt = throttle.begin("Kenji", "203.0.113.7", now)
    throttle.succeeded(attempt)
    with pytest.raises(PinRefused):
        throttle.begin("Kenji", "203.0.113.7", now, pin=True)
    throttle.begin("Aiko", "203.0.113.7", now, pin=True)
    users.change("Kenji", pin="4826", by="boss")
    throttle.begin("Kenji", "203.0.113.7", now, pin=True)


def test_many_at_once_do_not_slip_through(engine: Engine) -> None:
    throttle = Throttle(engine)

    def attempt(number: int) -> bool:
        try:
            throttle.begin("Kenji", f"198.51.100.{number}", NOON)
        except LoginThrottled:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == FREE_BY_NAME


def test_no_name_is_kept(engine: Engine) -> None:
    Throttle(engine).begin("my secret in the wrong field", "198.51.100.7", NOON)
    with engine.connect() as connection:
        assert "secret" not in str(connection.execute(select(login_failures)).all())
