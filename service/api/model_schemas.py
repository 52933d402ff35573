"""Answers of `/v1/models/{version}`."""

from datetime import datetime

from pydantic import BaseModel, Field

from models.card import Calibration
from models.judged import Gate
from service.schemas import PublishedModel


class NamedBatch(BaseModel):
    id: str
    name: str


class LearnedFrom(BaseModel):
    """A set of labelled photographs that the model was trained on."""

    name: str = Field(description="as the model's card has it")
    source: str | None = Field(description="what it was made of; null where it is not kept here")
    batches: list[NamedBatch] = Field(description="those of GET /v1/batches that are in it")
    images: int
    counts: dict[str, int] = Field(description="images by grade")


class CardOut(BaseModel):
    """What the model says of itself."""

    architecture: str
    recipe: str = Field(description="the recipe of its training; empty for none")
    created_at: datetime = Field(description="when it was trained")
    width: int = Field(description="of the network's input, in pixels")
    height: int
    grades: list[str]
    images: int = Field(description="that it was trained on, those held out among them")
    data: list[LearnedFrom]
    metrics: dict[str, float] = Field(description="on photographs that were held out of its training")
    calibration: Calibration


class ModelDetail(PublishedModel):
    """One version, with its card and what the gate said."""

    card: CardOut
    gate: Gate | None = Field(description="null where no retraining made it")
