"""People: added, changed, let in and kept out, on both databases."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, insert, select

from service.errors import AlreadyExists, InvalidRequest, LastAdmin, NotFound
from service.grading import new_id
from service.records import tables
from service.security.principal import Role
from service.security.users import Users
from tests.service.security.conftest import QUICK

PASSWORD = "cucumber sandwich"


@pytest.fixture
def users(engine: Engine) -> Users:
    found = Users(engine, QUICK)
    found.add("boss", Role.ADMIN, password=PASSWORD, by="local")
    return found


def audited(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(select(tables.audit).order_by(tables.audit.c.seq)).all()
    return [(row.actor, row.action, row.subject) for row in rows]


def open_session(engine: Engine, user_id: str) -> None:
    now = datetime.now(UTC)
    row = {"id": new_id(), "token_hash": new_id(), "csrf_token": "c", "user_id": user_id, "created_at": now, "rotated_at": now}
    with engine.begin() as connection:
        connection.execute(insert(tables.sessions), {**row, "seen_at": now, "expires_at": now + timedelta(hours=1)})


def sessions(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(tables.sessions.c.id)).all())


def test_a_password_or_a_pin_lets_in(users: Users) -> None:
    users.add("hanako", Role.OPERATOR, password="きゅうりがとてもすき", pin="4826", by="boss")
    found = users.verify("hanako", pin="４８２６")
    assert found is not None
    assert (found.name, found.role, found.has_password, found.has_pin) == ("hanako", Role.OPERATOR, True, True)
    assert users.verify(" ｈanako ", password="きゅうりか\u3099とてもすき") == found
    assert users.by_id(found.id) == users.get("hanako") == found
    assert users.by_id("nobody") is None


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("hanako", {"pin": "4827"}),
        ("hanako", {"pin": ""}),
        ("hanako", {"password": "4826"}),
        ("hanako", {}),
        ("nobody", {"pin": "4826"}),
        ("", {"pin": "4826"}),
        ("han\x00ako", {"pin": "4826"}),
        ("\ud800", {"password": "\ud800"}),
        ("x" * 100_000, {"password": "x" * 100_000}),
        ("boss", {"pin": PASSWORD}),
    ],
)
def test_anything_else_does_not(users: Users, name: str, secret: dict[str, str]) -> None:
    users.add("hanako", Role.OPERATOR, pin="4826", by="boss")
    assert users.verify(name, **secret) is None


@pytest.mark.parametrize(
    ("name", "role", "secret", "says"),
    [
        ("x", Role.ADMIN, {"password": PASSWORD, "pin": "4826"}, "not with a PIN"),
        ("x", Role.ADMIN, {"pin": "4826"}, "not with a PIN"),
        ("x", Role.OPERATOR, {}, "a password or a PIN"),
        ("x", Role.OPERATOR, {"password": "short"}, "8 to 256"),
        ("x", Role.CAMERA, {"password": PASSWORD}, "a viewer, an operator or an admin"),
        ("", Role.VIEWER, {"password": PASSWORD}, "1 to 100"),
        ("a\nb", Role.VIEWER, {"password": PASSWORD}, "can be seen"),
        ("a/b", Role.VIEWER, {"password": PASSWORD}, "no /"),
        ("cli:root", Role.VIEWER, {"password": PASSWORD}, "no :"),
        ("Local", Role.VIEWER, {"password": PASSWORD}, "itself signs with"),
    ],
)
def test_who_could_not_log_in_or_be_told_apart_is_not_added(
    users: Users, name: str, role: Role, secret: dict[str, str], says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says) as refusal:
        users.add(name, role, by="boss", **secret)
    assert all(value not in str(refusal.value) for value in secret.values())
    assert [user.name for user in users.list()] == ["boss"]


def test_a_name_is_taken_once(users: Users, engine: Engine) -> None:
    with pytest.raises(AlreadyExists):
        users.add("ｂｏｓｓ", Role.VIEWER, password=PASSWORD, by="boss")
    assert [action for _, action, _ in audited(engine)] == ["user.added"]


def test_every_change_is_in_the_audit_trail_without_secrets(users: Users, engine: Engine) -> None:
    users.add("hanako", Role.OPERATOR, pin="4826", by="boss", address="10.0.0.9")
    users.set_password("hanako", "new password", by="boss")
    users.set_pin("hanako", None, by="boss")
    users.change("hanako", role=Role.VIEWER, pin="9081", by="boss")
    users.disable("hanako", by="boss")
    users.disable("hanako", by="boss")  # nothing new
    users.enable("hanako", by="boss")
    assert audited(engine)[1:] == [
        ("boss", action, "hanako")
        for action in (
            "user.added",
            "user.password_set",
            "user.pin_removed",
            "user.pin_set",
            "user.role_changed",
            "user.disabled",
            "user.enabled",
        )
    ]
    with engine.connect() as connection:
        kept = str(connection.execute(select(tables.audit)).all())
    assert not any(secret in kept for secret in ("4826", "9081", "new password", "argon2"))
    assert "10.0.0.9" in kept


def test_a_disabled_user_is_out_at_once_and_back_when_enabled(users: Users, engine: Engine) -> None:
    hanako = users.add("hanako", Role.OPERATOR, pin="4826", by="boss")
    open_session(engine, hanako.id)
    assert users.disable("hanako", by="boss").disabled_at is not None
    assert sessions(engine) == 0
    assert users.verify("hanako", pin="4826") is None
    users.enable("hanako", by="boss")
    assert users.verify("hanako", pin="4826") is not None


@pytest.mark.parametrize("change", [{"password": "another one"}, {"pin": "9081"}, {"role": Role.VIEWER}])
def test_a_change_of_credentials_ends_that_users_sessions_only(users: Users, engine: Engine, change: dict[str, object]) -> None:
    hanako = users.add("hanako", Role.OPERATOR, pin="4826", by="boss")
    open_session(engine, hanako.id)
    open_session(engine, users.get("boss").id)
    users.change("hanako", by="boss", **change)  # type: ignore[arg-type]
    assert sessions(engine) == 1


def test_a_change_is_all_or_nothing(users: Users) -> None:
    users.add("hanako", Role.OPERATOR, pin="4826", by="boss")
    with pytest.raises(InvalidRequest, match="needs a password"):
        users.change("hanako", role=Role.ADMIN, disabled=True, by="boss")
    with pytest.raises(InvalidRequest, match="a password or a PIN"):
        users.set_pin("hanako", None, by="boss")
    assert users.verify("hanako", pin="4826") == users.get("hanako")
    raised = users.change("hanako", role=Role.ADMIN, password=PASSWORD, by="boss")
    assert (raised.role, raised.has_pin) == (Role.ADMIN, False)
    with pytest.raises(InvalidRequest, match="not with a PIN"):
        users.set_pin("hanako", "4826", by="boss")


def test_the_last_admin_stays(users: Users) -> None:
    users.add("hanako", Role.OPERATOR, pin="4826", by="boss")
    for change in ({"disabled": True}, {"role": Role.VIEWER}):
        with pytest.raises(LastAdmin, match="boss"):
            users.change("boss", by="boss", **change)  # type: ignore[arg-type]
    users.disable("hanako", by="boss")
    users.add("chief", Role.ADMIN, password=PASSWORD, by="boss")
    users.change("boss", role=Role.VIEWER, by="chief")
    with pytest.raises(LastAdmin):
        users.disable("chief", by="chief")
    assert users.disable("chief", by="local", keep_an_admin=False).disabled_at is not None
    assert users.any_enabled()
    users.disable("boss", by="local")
    assert not users.any_enabled()


def test_two_admins_who_disable_each_other_at_once_leave_one(users: Users) -> None:
    users.add("chief", Role.ADMIN, password=PASSWORD, by="boss")
    for _ in range(10):
        together = threading.Barrier(2)
        refused: list[str] = []

        def disable(name: str, together: threading.Barrier = together, refused: list[str] = refused) -> None:
            together.wait()
            try:
                users.disable(name, by="the other")
            except LastAdmin:
                refused.append(name)

        threads = [threading.Thread(target=disable, args=(name,)) for name in ("boss", "chief")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1
        for name in ("boss", "chief"):
            users.enable(name, by="local")


def test_somebody_who_is_not_there_cannot_be_changed(users: Users) -> None:
    for name in ("nobody", "", "a\x00b"):
        with pytest.raises(NotFound):
            users.disable(name, by="boss")
        with pytest.raises(NotFound):
            users.get(name)


def test_a_hash_of_other_parameters_is_made_again_at_the_next_login(users: Users, engine: Engine) -> None:
    stronger = Users(engine, PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert stronger.verify("boss", password="wrong") is None
    assert kept(engine).startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert stronger.verify("boss", password=PASSWORD) is not None
    assert kept(engine).startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert stronger.verify("boss", password=PASSWORD) is not None


def kept(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(select(tables.users.c.password_hash)).scalar_one())


def test_nothing_that_is_given_out_has_a_secret_in_it(users: Users) -> None:
    shown = str(users.list()) + str([user.to_json() for user in users.list()])
    assert "argon2" not in shown
    assert "hash" not in shown
