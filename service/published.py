"""Published models for people: what each was made of, and what the gate said of it before it was let in."""

from collections.abc import Sequence
from functools import lru_cache
from re import fullmatch
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, select

from models.card import ModelCard, TrainingData, card_of
from models.durable import read_json
from models.graph import open_session, session_options
from models.judged import gate_of, judged_models
from models.repository import ModelRepository, Version
from service.records.served import card_on_record
from service.records.tables import batches
from service.records.transactions import reading
from service.settings import Settings

_CARDS: Final = 64
_KEPT_FILE: Final = "kept.json"


class _Kept(BaseModel):
    """Of what training notes about a batch that it keeps: how the source was called."""

    model_config = ConfigDict(extra="ignore")

    name: str


def described(repository: ModelRepository, settings: Settings) -> dict[str, Any]:
    """As `ModelRepository.describe`; each version with the retraining that made it and the gate's word. Blocks.

    Raises RepositoryUnreadable.
    """
    found = repository.describe()
    judged = judged_models(settings.retrainings)
    for version in found["versions"]:
        version["retraining_id"], version["gate"] = judged.get(version["sha256"], (None, None))
    return found


def one_version(repository: ModelRepository, settings: Settings, engine: Engine | None, wanted: str) -> dict[str, Any]:
    """One version by number or alias, with its card and the whole of what the gate said. Blocks.

    Raises ModelNotFound, ModelCorrupt and InvalidCard for a file that cannot be read, RepositoryUnreadable, RecordsUnavailable.
    """
    version = repository.get(wanted)
    [found] = [one for one in described(repository, settings)["versions"] if one["version"] == version.number]
    card = (card_on_record(engine, version) if engine else None) or _card(version)
    gate = None
    if found["retraining_id"] is not None:
        gate = gate_of(settings.retrainings, settings.retrainings.get(found["retraining_id"]))
    return {**found, "card": _facts(card, settings, engine), "gate": gate and gate.model_dump(mode="json")}


@lru_cache(maxsize=_CARDS)
def _card(version: Version) -> ModelCard:
    """Of one that has never graded here: its file is checked and opened, which takes a second for the largest networks."""
    content = ModelRepository(version.path.parents[2], version.name).load(version)
    return card_of(open_session(content, session_options(threads=1)))


def _facts(card: ModelCard, settings: Settings, engine: Engine | None) -> dict[str, Any]:
    sources = [_source(data, settings) for data in card.data]
    named = _batch_names(engine, [part for source in sources if source for part in source.split("+")]) if engine else {}
    return {
        "architecture": card.architecture,
        "recipe": card.recipe,
        "created_at": card.created_at,
        "width": card.preprocess.width,
        "height": card.preprocess.height,
        "grades": list(card.grades),
        "images": sum(data.images for data in card.data),
        "data": [
            {
                "name": data.name,
                "source": source,
                "batches": [{"id": part, "name": named[part]} for part in (source or "").split("+") if part in named],
                "images": data.images,
                "counts": data.counts,
            }
            for data, source in zip(card.data, sources, strict=True)
        ],
        "metrics": card.metrics,
        "calibration": card.calibration.model_dump(mode="json"),
    }


def _source(data: TrainingData, settings: Settings) -> str | None:
    """What a batch was made of that training keeps under a name of its own; None where it is not kept here. Raises
    RepositoryUnreadable."""
    if not fullmatch(r"[0-9a-f]{16}", data.name):  # a card may name anything
        return None
    path = settings.kept_batches / data.name / _KEPT_FILE
    try:
        return read_json(path, _Kept, f"delete {path.parent}").name
    except FileNotFoundError:
        return None


def _batch_names(engine: Engine, wanted: Sequence[str]) -> dict[str, str]:
    """By id, of the batches on record. Raises RecordsUnavailable."""
    if not wanted:
        return {}
    with reading(engine) as connection:
        found = connection.execute(select(batches.c.id, batches.c.name).where(batches.c.id.in_(wanted)))
        return {row.id: row.name for row in found}
