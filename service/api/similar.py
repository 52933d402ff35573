"""`GET /v1/gradings/{grading_id}/similar`: fruit that look alike to the network."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.context import Parts, json_response
from service.api.resource_schemas import problems
from service.errors import GradingNotFound
from service.schemas import GradingOut

router = APIRouter(prefix="/v1", tags=["records"])


class SimilarQuery(BaseModel):
    """How many."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(12, ge=1, le=50)


class SimilarOut(GradingOut):
    """A grading of a fruit that looks like the one asked for."""

    distance: float = Field(ge=0, le=2, description="1 - cosine of the angle between the two: 0 is the same, 1 unrelated")


class SimilarFruit(BaseModel):
    """The nearest first."""

    gradings: list[SimilarOut]
    by: Literal["embedding", "probabilities"] = Field(
        description="what was compared: the embedding of the model in service, or the probabilities on record where it gives "
        "none, the photograph is not kept any more, or there was no time to look at enough of them"
    )
    compared: int = Field(description="photographs it was compared with: 1,000 at most, the newest that are kept")


@router.get(
    "/gradings/{grading_id}/similar",
    responses={200: {"model": SimilarFruit}, **problems(404, 422, 503)},
    response_class=Response,
)
async def similar(parts: Parts, grading_id: str, query: Annotated[SimilarQuery, Query()]) -> Response:
    """Fruit that look like this one to the network, among the newest photographs that are kept."""
    found = await asyncio.to_thread(parts.records.get, grading_id) if parts.records else None
    if found is None or parts.reviewing is None:
        raise GradingNotFound(grading_id)
    return json_response(await parts.reviewing.similar.of(found, query.limit))
