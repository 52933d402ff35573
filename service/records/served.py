"""Which models have graded here: a row with the card of each, from when it was first in service."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from models.card import ModelCard
from models.repository import Version
from service.grading import ModelRef
from service.records.tables import models
from service.records.transactions import reading, writing


def note_served(engine: Engine, ref: ModelRef, card: dict[str, Any]) -> None:
    """This model is in service; what is known of it from before stays. Raises RecordsUnavailable."""
    row = {
        "name": ref.name,
        "version": ref.version,
        "sha256": ref.sha256,
        "card": card,
        "first_served_at": datetime.now(UTC),
    }
    with writing(engine) as connection:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(dialect.insert(models).values(row).on_conflict_do_nothing())


def card_on_record(engine: Engine, version: Version) -> ModelCard | None:
    """The card of a version that has graded here, None of another. Raises RecordsUnavailable."""
    c = models.c
    wanted = c.name == version.name, c.version == version.number, c.sha256 == version.sha256
    with reading(engine) as connection:
        card = connection.execute(select(c.card).where(*wanted)).scalar()
    return None if card is None else ModelCard.model_validate(card)
