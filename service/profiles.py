"""The rules in effect, as the settings have them, and the version under which gradings name them."""

from sqlalchemy import Engine

from service.records.profiles import Rules, version_of
from service.settings import Settings


def rules_of(settings: Settings) -> Rules:
    """All that decides a lane, beside the model."""
    return {"manual_below": settings.manual_below}


def profile_in_effect(engine: Engine, rules: Rules) -> int:
    """The version of these rules; rules that are new get a new version. Raises RecordsUnavailable."""
    return version_of(engine, rules)
