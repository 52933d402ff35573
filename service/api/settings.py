"""`/v1/settings`: how this service is set up, to be read; it is changed in the environment or in senka.toml."""

from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from service.api.context import Parts, json_response
from service.api.resource_schemas import problems
from service.settings import Settings

router = APIRouter(prefix="/v1/settings", tags=["settings"])

HIDDEN: Final = "***"
_URLS: Final = ("image_store", "image_store_endpoint")

Value = str | int | float | bool | list[str] | None


class SettingOut(BaseModel):
    """One setting of this service, as its processes read it when they started."""

    name: str = Field(description="such as SENKA_KEEP")
    value: Value = Field(description="secrets in it are ***")
    default: Value
    help: str = Field(description="what it is, and when to change it")


class SettingsOut(BaseModel):
    settings: list[SettingOut]


@router.get("", responses={200: {"model": SettingsOut}, **problems(401, 403, 503)}, response_class=Response)
async def settings(parts: Parts) -> Response:
    """Every setting with its value and its default, in the order of `senka serve --help`."""
    return json_response({"settings": [_shown(parts.settings, name, field) for name, field in Settings.model_fields.items()]})


def _shown(chosen: Settings, name: str, field: FieldInfo) -> dict[str, Any]:
    value = getattr(chosen, name)
    return {
        "name": f"SENKA_{name.upper()}",
        "value": _without_secrets(name, value),
        "default": _plain(field.get_default(call_default_factory=True)),
        "help": field.description,
    }


def _without_secrets(name: str, value: Any) -> Value:
    if name == "database_url":
        return _database(value)
    if name in _URLS and isinstance(value, str):
        return _url(value)
    return _plain(value)


def _plain(value: Any) -> Value:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _database(url: str) -> str:
    """A URL without its password, wherever it stands in it. What cannot be read as a URL is hidden as a whole."""
    try:
        parsed = make_url(url) if url else None
    except (ArgumentError, ValueError):
        return HIDDEN
    if parsed is None:
        return ""
    if any("@" in (part or "") for part in (parsed.username, parsed.host, parsed.database)):
        return HIDDEN  # a password with such a sign in it, which was not quoted: it was cut at the wrong place
    return parsed.set(query={}).render_as_string(hide_password=True)


def _url(url: str) -> str:
    """The URL of a store; of one with credentials, or anything else beside its place, its kind alone."""
    if not any(sign in url for sign in "@?#"):
        return url
    kind, found, _ = url.partition("://")
    return f"{kind}://{HIDDEN}" if found else HIDDEN
