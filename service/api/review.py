"""`GET /v1/review`: which gradings a person should look at next."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from models.imaging import ImageLimits
from service.api.context import Context, Parts, json_response
from service.api.paging import Plain
from service.api.resource_schemas import problems
from service.errors import RecordsOff
from service.records.filters import Filters
from service.records.review import Why
from service.review import Review
from service.schemas import GradingOut, Moment

router = APIRouter(prefix="/v1", tags=["records"])

SPAN: Final = timedelta(days=7)
"""Looked back on where `since` is not given."""


class ReviewQuery(BaseModel):
    """Which gradings, and how many."""

    model_config = ConfigDict(extra="forbid")

    since: Moment | None = Field(None, description="received at this time or later; 7 days before `until` by default")
    until: Moment | None = Field(None, description="received before this time; now by default")
    line: Plain | None = None
    lot: Plain | None = None
    limit: int = Field(20, ge=1, le=100)
    why: Why | None = Field(None, description="of this reason alone")

    def filters(self, now: datetime) -> Filters:
        """As the records know them."""
        since = self.since
        if since is None:
            end = self.until or now
            since = end - min(SPAN, end - datetime.min.replace(tzinfo=UTC))  # the calendar begins there
        return Filters(since=since, until=self.until, line=self.line, lot=self.lot)


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
async def review(request: Request, parts: Parts, query: Annotated[ReviewQuery, Query()]) -> Response:
    """What to label next: the most informative first, none that looks like another, and every tenth drawn by lot.

    Left out is what has a correction, a confirming one too, or no photograph any more.
    """
    queue = await _review_of(request, parts).queue(query.filters(datetime.now(UTC)), query.limit, query.why)
    return json_response(queue.to_json())


def _review_of(request: Request, parts: Context) -> Review:
    """The application's, made at the first question: it keeps embeddings from one to the next. Raises RecordsOff."""
    if parts.records is None:
        raise RecordsOff("gradings to review")
    state = request.app.state
    kept: tuple[Context, Review] | None = getattr(state, "review", None)
    if kept is None or kept[0] is not parts:  # an application that was stopped and started has other parts
        limits = ImageLimits(parts.settings.max_pixels)
        kept = state.review = parts, Review(parts.records, parts.champion, limits, parts.explainer.draw)
    return kept[1]
