"""`senka users`: who may log in."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from service.cli.installed import records, whoever
from service.errors import InvalidRequest
from service.settings import Settings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
users_app = typer.Typer(
    no_args_is_help=True,
    help="Who may log in: add, list, passwd, role, disable, enable.",
    epilog="Example: senka users add hanako --role operator --pin",
)
app.add_typer(users_app, name="users")


@app.callback()
def group() -> None:
    """Holds the one group."""


Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Pin = Annotated[bool, typer.Option("--pin", help="Of 4 to 8 digits, for gloves; not for admins.")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password or PIN from the first line of standard input.")]
Role = Annotated[str, typer.Option(help="viewer, operator or admin.")]


@users_app.command(epilog="Example: senka users add hanako --role operator --pin")
def add(name: str, role: Role = "operator", pin: Pin = False, password_stdin: Stdin = False, as_json: Json = False) -> None:
    """Let somebody in: asks for the password, or with --pin for a PIN, twice."""
    from service.security.users import Users

    settings, wanted = Settings.load(), _role(role)
    secret = _ask("PIN" if pin else "Password", password_stdin)
    with records(settings) as engine:
        user = Users(engine).add(name, wanted, **{"pin" if pin else "password": secret}, by=whoever())
    _say(user, as_json, f"{user.name} may log in as {user.role}.")


@users_app.command("list", epilog="Example: senka users list --json")
def list_users(as_json: Json = False) -> None:
    """Everybody."""
    from service.security.users import Users

    with records(Settings.load()) as engine:
        found = Users(engine).list()
    if as_json:
        typer.echo(json.dumps({"users": [user.to_json() for user in found]}))
    elif not found:
        typer.echo("There are no users yet: senka users add NAME --role admin")
    else:
        table = Table("name", "role", "logs in with", "since", "disabled")
        for user in found:
            ways = " or ".join(way for way, has in (("password", user.has_password), ("PIN", user.has_pin)) if has)
            disabled = user.disabled_at.date().isoformat() if user.disabled_at else ""
            table.add_row(user.name, user.role, ways, user.created_at.date().isoformat(), disabled)
        Console().print(table)


@users_app.command(epilog="Example: senka users passwd hanako")
def passwd(name: str, pin: Pin = False, password_stdin: Stdin = False, as_json: Json = False) -> None:
    """A new password, or with --pin a new PIN; ends the sessions that are open."""
    secret = _ask("New PIN" if pin else "New password", password_stdin)
    _change(name, as_json, "{} has a new " + ("PIN." if pin else "password."), **{"pin" if pin else "password": secret})


@users_app.command(epilog="Example: senka users role hanako admin")
def role(name: str, role: Annotated[str, typer.Argument(help="viewer, operator or admin.")], as_json: Json = False) -> None:
    """Another role; an admin loses the PIN."""
    _change(name, as_json, f"{{}} is {role} now.", role=_role(role))


@users_app.command(epilog="Example: senka users disable hanako")
def disable(name: str, as_json: Json = False) -> None:
    """Let somebody in no more, from now on; what they did stays on record."""
    _change(name, as_json, "{} may not log in any more.", disabled=True)


@users_app.command(epilog="Example: senka users enable hanako")
def enable(name: str, as_json: Json = False) -> None:
    """Let somebody in again."""
    _change(name, as_json, "{} may log in again.", disabled=False)


def _change(name: str, as_json: bool, said: str, **changes: Any) -> None:
    from service.security.users import Users

    with records(Settings.load()) as engine:
        # Whoever sits at the machine may disable the last admin too: they can make another
        user = Users(engine).change(name, **changes, by=whoever(), keep_an_admin=False)
    _say(user, as_json, said.format(user.name))


def _role(name: str) -> Any:
    from service.security.principal import Role
    from service.security.users import USER_ROLES

    valid = [role.value for role in USER_ROLES]
    if name not in valid:
        raise InvalidRequest(f"{name!r} is no role of a user: {', '.join(valid)}.", valid=valid)
    return Role(name)


def _ask(what: str, from_stdin: bool) -> str:
    """A secret: typed twice without showing it, or the first line of standard input. Never an argument, which others can see."""
    if from_stdin:
        secret = sys.stdin.readline().rstrip("\r\n")
        if not secret:
            raise InvalidRequest("Standard input is empty: send the password on its first line.")
        return secret
    if not sys.stdin.isatty():
        raise InvalidRequest("There is no terminal to ask for the password: use --password-stdin.")
    return str(typer.prompt(what, hide_input=True, confirmation_prompt=True))


def _say(user: Any, as_json: bool, text: str) -> None:
    typer.echo(json.dumps(user.to_json()) if as_json else text)
