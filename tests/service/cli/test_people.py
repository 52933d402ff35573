"""`senka users` and `senka keys`: what whoever sits at the machine can do."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import create_engine, select
from typer.testing import CliRunner

from service.cli import app
from service.records import tables
from service.security.keys import Keys
from service.security.principal import Role
from service.security.users import Users
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture

pytestmark = pytest.mark.usefixtures("home")


def told(text: str, *arguments: str) -> Result:
    """A command with something on its standard input."""
    return CliRunner().invoke(app, list(arguments), input=text)


def people(home: Path) -> Users:  # noqa: F811
    return Users(create_engine(f"sqlite:///{home / 'senka.db'}"))


def test_somebody_is_added_listed_and_let_in(home: Path) -> None:  # noqa: F811
    added = told("cucumber sandwich\n", "users", "add", "boss", "--role", "admin", "--password-stdin", "--json")
    assert added.exit_code == 0, added.output
    assert json.loads(added.stdout)["role"] == "admin"
    assert told("4826\n", "users", "add", "hanako", "--pin", "--password-stdin").exit_code == 0
    listed = ok("users", "list", "--json").stdout
    assert [(one["name"], one["role"]) for one in json.loads(listed)["users"]] == [("boss", "admin"), ("hanako", "operator")]
    assert "hanako" in ok("users", "list").stdout
    users = people(home)
    assert users.verify("boss", password="cucumber sandwich") is not None
    assert users.verify("hanako", pin="4826") is not None
    assert "cucumber sandwich" not in added.output + listed


def test_somebody_is_changed_disabled_and_enabled(home: Path) -> None:  # noqa: F811
    told("cucumber sandwich\n", "users", "add", "boss", "--role", "admin", "--password-stdin")
    assert told("another password\n", "users", "passwd", "boss", "--password-stdin").exit_code == 0
    assert people(home).verify("boss", password="another password") is not None
    ok("users", "disable", "boss")  # the last admin: whoever sits here can make another
    assert people(home).verify("boss", password="another password") is None
    ok("users", "enable", "boss")
    ok("users", "role", "boss", "viewer")
    assert people(home).get("boss").role is Role.VIEWER
    with create_engine(f"sqlite:///{home / 'senka.db'}").connect() as connection:
        actors = set(connection.execute(select(tables.audit.c.actor)).scalars())
    assert len(actors) == 1
    assert actors.pop().startswith("cli")


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        ("short\n", ("add", "x", "--password-stdin"), "8 to 256 characters"),
        ("\n", ("add", "x", "--password-stdin"), "is empty"),
        ("1234\n", ("add", "x", "--pin", "--password-stdin"), "tried first"),
        ("4826\n", ("add", "x", "--role", "admin", "--pin", "--password-stdin"), "not with a PIN"),
        ("cucumber sandwich\n", ("add", "x", "--role", "king", "--password-stdin"), "viewer, operator, admin"),
        ("cucumber sandwich\n", ("add", "x"), "--password-stdin"),
        ("cucumber sandwich\n", ("passwd", "nobody", "--password-stdin"), "no user 'nobody'"),
        ("", ("disable", "nobody"), "no user 'nobody'"),
    ],
)
def test_what_cannot_be_is_one_line_without_the_secret(text: str, arguments: tuple[str, ...], says: str) -> None:
    done = told(text, "users", *arguments)
    assert done.exit_code == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not text.strip() or text.strip() not in done.output
    assert json.loads(ok("users", "list", "--json").stdout) == {"users": []}


def test_a_key_is_printed_once_and_revoked(home: Path) -> None:  # noqa: F811
    made = ok("keys", "add", "line 1", "--camera", "line1-top")
    bearer = made.stdout.strip()  # alone on standard output, for scripts
    assert bearer.startswith("senka_")
    found = Keys(create_engine(f"sqlite:///{home / 'senka.db'}")).verify(bearer)
    assert found is not None
    assert (found.name, found.camera) == ("line 1", "line1-top")
    listed = ok("keys", "list", "--json").stdout
    assert bearer[15:] not in listed + ok("keys", "list").stdout
    assert [one["prefix"] for one in json.loads(listed)["keys"]] == [found.prefix]
    assert "revoked" in ok("keys", "revoke", found.prefix).stdout
    assert Keys(create_engine(f"sqlite:///{home / 'senka.db'}")).verify(bearer) is None
    assert senka("keys", "revoke", "00000000").exit_code == 1
    shown = json.loads(ok("keys", "add", "line 2", "--json").stdout)
    assert shown["key"].startswith(f"senka_{shown['prefix']}_")
