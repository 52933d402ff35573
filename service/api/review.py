"""`GET /v1/review`: which gradings a person should look at next."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.context import Parts, json_response, reviewing_of
from service.api.paging import Plain
from service.api.resource_schemas import problems
from service.records.filters import Filters
from service.records.review import Why
from service.review import Asked
from service.schemas import GradingOut, Moment

router = APIRouter(prefix="/v1", tags=["records"])


class WhatToReview(BaseModel):
    """Which gradings."""

    model_config = ConfigDict(extra="forbid")

    since: Moment | None = Field(None, description="received at this time or later; 7 days before `until` by default")
    until: Moment | None = Field(None, description="received before this time; now by default")
    line: Plain | None = None
    lot: Plain | None = None
    why: Why | None = Field(None, description="of this reason alone")

    def asked(self) -> Asked:
        """As the queues know it."""
        return Asked(self.since, self.until, self.line, self.lot, self.why)


class ReviewQuery(WhatToReview):
    """And how many."""

    limit: int = Field(20, ge=1, le=100)

    def filters(self, now: datetime) -> Filters:
        """As the records know them."""
        return self.asked().filters(now)


class ReviewedOut(GradingOut):
    """A grading that somebody should look at."""

    why: list[Why] = Field(
        description="unsure: the two best probabilities are close, or it went to the manual lane; disagreement: the challenger "
        "said another grade; audit: drawn by lot"
    )
    score: float = Field(ge=0, le=1, description="how much a label would tell; those of the audit are placed by lot")
    because: str = Field(description="the same as `why`, in words")


class ReviewQueue(BaseModel):
    """In the order to look at them."""

    gradings: list[ReviewedOut]
    considered: int = Field(description="gradings looked at: the newest of the span, 10,000 at most")
    diversity: Literal["embedding", "probabilities"] | None = Field(
        description="what kept photographs of the same look apart: the embedding of the model in service, or the probabilities "
        "on record where it gives none or was not done in time; null where nothing had to be compared"
    )


@router.get("/review", responses={200: {"model": ReviewQueue}, **problems(409, 422, 503)}, response_class=Response)
async def queue(parts: Parts, query: Annotated[ReviewQuery, Query()]) -> Response:
    """What to label next: the most informative first, none that looks like another, and every tenth drawn by lot.

    Left out is what has a correction, a confirming one too, or no photograph any more.
    """
    review = reviewing_of(parts, "gradings to review").review
    return json_response((await review.queue(query.filters(datetime.now(UTC)), query.limit, query.why)).to_json())
