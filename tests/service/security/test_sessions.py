"""Tokens come, change and go."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, update

from service.errors import RecordsUnavailable
from service.records.database import migrate, open_database
from service.records.tables import sessions as table
from service.records.tables import users
from service.security import sessions as module
from service.security.principal import Role
from service.security.sessions import PREVIOUS_GOOD_FOR, ROTATE_AFTER, Session, Sessions
from service.security.users import Users
from tests.service.security.conftest import QUICK

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + ROTATE_AFTER


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    return Sessions(engine, hours=12)


@pytest.fixture
def kenji(engine: Engine) -> str:
    return Users(engine, QUICK).add("Kenji", Role.OPERATOR, password="green and straight", by="test").id


def token(session: Session | None) -> str:
    assert session is not None
    assert session.new_token is not None
    return session.new_token


def test_a_session_is_known_by_its_token_and_by_nothing_else(sessions: Sessions, kenji: str, engine: Engine) -> None:
    opened = sessions.open(kenji, NOW)
    found = sessions.find(token(opened), NOW)
    assert found is not None
    assert (found.id, found.user, found.role, found.csrf_token) == (opened.id, "Kenji", Role.OPERATOR, opened.csrf_token)
    assert found.new_token is None
    assert sessions.find("another", NOW) is None
    assert sessions.find(opened.csrf_token, NOW) is None
    with engine.connect() as connection:
        row = connection.execute(select(table)).one()
    assert token(opened) not in str(row)  # whoever reads the database cannot log in
    assert sessions.find(row.token_hash, NOW) is None


def test_two_logins_are_two_sessions_with_tokens_of_their_own(sessions: Sessions, kenji: str) -> None:
    first, second = sessions.open(kenji, NOW), sessions.open(kenji, NOW)
    assert len({token(first), token(second), first.csrf_token, second.csrf_token}) == 4
    sessions.close(first.id)
    assert sessions.find(token(first), NOW) is None
    assert sessions.find(token(second), NOW) is not None
    sessions.close(first.id)


def test_a_session_runs_out_and_is_cleared_away(sessions: Sessions, kenji: str, engine: Engine) -> None:
    opened = sessions.open(kenji, NOW)
    end = NOW + timedelta(hours=12)
    assert sessions.find(token(opened), end - timedelta(seconds=1)) is not None
    assert sessions.find(token(opened), end) is None
    sessions.open(kenji, end + timedelta(seconds=1))
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 1


def test_the_token_changes_and_the_one_before_stays_for_a_minute(sessions: Sessions, kenji: str) -> None:
    old = token(sessions.open(kenji, NOW))
    new = token(sessions.find(old, LATER))
    assert new != old
    under_way = sessions.find(old, LATER + timedelta(seconds=59))
    assert under_way is not None
    assert under_way.new_token is None
    used = sessions.find(new, LATER + timedelta(seconds=59))
    assert used is not None
    assert sessions.find(old, LATER + PREVIOUS_GOOD_FOR) is None  # stolen, by then: its owner has the new one
    assert sessions.find(new, LATER + PREVIOUS_GOOD_FOR) is not None


def test_a_new_token_that_never_arrived_logs_nobody_out(sessions: Sessions, kenji: str) -> None:
    old = token(sessions.open(kenji, NOW))
    lost = token(sessions.find(old, LATER))
    again = token(sessions.find(old, LATER + timedelta(minutes=5)))
    assert sessions.find(lost, LATER + timedelta(minutes=5)) is None
    assert sessions.find(again, LATER + timedelta(minutes=6)) is not None
    assert sessions.find(old, LATER + timedelta(minutes=7)) is None


def test_of_requests_at_the_same_moment_one_gets_the_new_token(sessions: Sessions, kenji: str, engine: Engine) -> None:
    old = token(sessions.open(kenji, NOW))
    workers = [sessions, Sessions(engine, hours=12)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: workers[n % 2].find(old, LATER), range(8)))
    assert all(found)
    assert len([each for each in found if each and each.new_token]) == 1


def test_a_disabled_user_is_out_at_once(sessions: Sessions, kenji: str, engine: Engine) -> None:
    opened = token(sessions.open(kenji, NOW))
    Users(engine, QUICK).disable("Kenji", by="test", keep_an_admin=False)
    assert sessions.find(opened, NOW) is None


def test_a_changed_user_is_looked_up_again(
    sessions: Sessions, kenji: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = sessions.open(kenji)
    assert sessions.find(token(opened)) is not None
    assert sessions.lasts(opened.id)
    Users(engine, QUICK, changed=sessions.forget).change("Kenji", role=Role.VIEWER, by="test")
    assert sessions.known(token(opened)) is None
    assert not sessions.lasts(opened.id)

    meanwhile = sessions.open(kenji)
    look_up = sessions._look_up

    def slowly(hashed: str, now: datetime) -> Session | None:
        found = look_up(hashed, now)
        sessions.forget("Kenji")
        return found

    monkeypatch.setattr(sessions, "_look_up", slowly)
    assert sessions.find(token(meanwhile)) is not None
    assert sessions.known(token(meanwhile)) is None  # what was read before the change is not kept after it


def test_what_was_looked_up_is_known_for_a_moment(sessions: Sessions, kenji: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = sessions.open(kenji)
    assert sessions.known(token(opened)) is None
    sessions.find(token(opened))
    assert sessions.known(token(opened)) is not None
    sessions.close(opened.id)
    assert sessions.known(token(opened)) is None
    monkeypatch.setattr(module, "BELIEVED_FOR_S", -1.0)
    again = token(sessions.open(kenji))
    sessions.find(again)
    assert sessions.known(again) is None


def test_while_the_database_is_away_those_we_know_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    migrate(engine)
    user = Users(engine, QUICK).add("Kenji", Role.OPERATOR, password="green and straight", by="test").id
    sessions = Sessions(engine, hours=12)
    met, stranger = token(sessions.open(user)), token(sessions.open(user))
    sessions.find(met)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sessions RENAME TO elsewhere")
    found = sessions.find(met)
    assert found is not None
    assert found.user == "Kenji"
    with pytest.raises(RecordsUnavailable):
        sessions.lasts(found.id)
    for unknown, at in ((stranger, datetime.now(UTC)), (met, datetime.now(UTC) + timedelta(hours=13))):
        with pytest.raises(RecordsUnavailable):
            sessions.find(unknown, at)
    monkeypatch.setattr(module, "KEPT_FOR_S", 0.0)  # confirmed too long ago
    with pytest.raises(RecordsUnavailable):
        sessions.find(met)
    engine.dispose()


def test_a_clock_that_was_set_back_logs_nobody_out(sessions: Sessions, kenji: str) -> None:
    opened = token(sessions.open(kenji, NOW))
    assert sessions.find(opened, NOW - timedelta(hours=3)) is not None


def test_the_role_is_the_one_of_now(sessions: Sessions, kenji: str, engine: Engine) -> None:
    opened = token(sessions.open(kenji, NOW))
    with engine.begin() as connection:
        connection.execute(update(users).values(role="viewer"))
    found = sessions.find(opened, NOW)
    assert found is not None
    assert found.role is Role.VIEWER
