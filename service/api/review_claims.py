"""`/v1/review/claims`: the next fruit for each of several people, so that no two are shown the same one."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Body, Path, Request, Response
from pydantic import BaseModel, Field

from service.api.context import Parts, json_response, reviewing_of
from service.api.paging import Id
from service.api.resource_schemas import problems
from service.api.review import ReviewedOut, WhatToReview
from service.records.review_claims import Reviewer
from service.security import principal

router = APIRouter(prefix="/v1/review/claims", tags=["records"])
_WHAT: Final = "gradings to review"

ReviewerId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{8,64}$", description="a page that is open, by an id that it drew at random for itself"),
]


class ClaimIn(WhatToReview):
    """Who asks, for how many of which."""

    reviewer: ReviewerId
    limit: int = Field(3, ge=1, le=20)
    back: list[Id] = Field([], max_length=20, description="gradings whose correction was undone, to hold them again first of all")


class Claims(BaseModel):
    """What this reviewer holds now; nobody else is shown it until then."""

    gradings: list[ReviewedOut] = Field(description="what was held before first, in the order it had")
    waiting: int = Field(
        ge=0,
        description="fruit of the queue that nobody else holds, those above included. The queue has the 200 most informative "
        "and 200 drawn by lot among the newest 10,000 gradings of the span, so there is never more",
    )
    done_today: int = Field(ge=0, description="fruit whose correction in effect was made since midnight in the farm's time zone")
    held_until: datetime = Field(description="ask again before, and they stay yours")


@router.post("", responses={200: {"model": Claims}, **problems(409, 422, 503)}, response_class=Response)
async def claim(request: Request, parts: Parts, body: Annotated[ClaimIn, Body()]) -> Response:
    """The next fruit for one reviewer, for 60 s, in the order of `GET /v1/review`.

    Asked again, what the reviewer still holds is renewed and comes first; what was corrected since, or does not fit what is
    asked for now, is not among it. More are added up to `limit`; what is held beyond it is given back.
    """
    claims = reviewing_of(parts, _WHAT).claims
    who = Reviewer(body.reviewer, principal(request).name)
    return json_response(await claims.claim(body.asked(), who, body.limit, body.back))


@router.delete("/{reviewer}", status_code=204, responses=problems(409, 422, 503), response_class=Response)
async def release(parts: Parts, reviewer: Annotated[ReviewerId, Path()]) -> Response:
    """Give back all that a reviewer holds, at once; holding nothing is no error."""
    await reviewing_of(parts, _WHAT).claims.release(reviewer)
    return Response(status_code=204)
