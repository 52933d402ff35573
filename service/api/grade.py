"""`POST /v1/grade`: one photograph, one grading."""

import time
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from models.imaging import MEDIA_TYPES
from service.api.context import Parts, json_response
from service.grading import Origin
from service.idempotency import read_key
from service.pipeline import Order
from service.schemas import GradedOut, Moment, Problem
from service.security.principal import principal

router = APIRouter(prefix="/v1", tags=["grading"])

_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_BODY: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
            "description": "The photograph's own name, such as a UUID: sent again under it, it is graded and counted once.",
        }
    ],
    "requestBody": {
        "required": True,
        "description": "The bytes of one photograph. Its format is read from the bytes, not from the content type.",
        "content": {
            **dict.fromkeys(MEDIA_TYPES.values(), _BINARY),
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary", "description": "the fruit from above"},
                        "below": {"type": "string", "format": "binary", "description": "for a model of several views"},
                        "side": {"type": "string", "format": "binary", "description": "for a model of several views"},
                    },
                }
            },
        },
    },
}


_ANSWER: Final[dict[str, Any]] = {
    "model": GradedOut,
    "headers": {
        "Idempotency-Replayed": {
            "schema": {"type": "string", "const": "true"},
            "description": "It was graded before under this key; this is that grading.",
        }
    },
}


def _named(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a name has no NUL in it")  # PostgreSQL could not keep it
    return None if value == "" else value


Name = Annotated[Annotated[str, Field(max_length=100)] | None, BeforeValidator(_named)]
"""As a camera knows it; an empty one is none."""


class GradeQuery(BaseModel):
    """A misspelt parameter is an error, not silence."""

    model_config = ConfigDict(extra="forbid")

    camera: Name = Field(None, description="name of the camera")
    line: Name = Field(None, description="name of the sorting line")
    lot: Name = Field(None, description="the lot on the line")
    captured_at: Moment | None = Field(None, description="RFC 3339 with its offset")
    deadline_ms: float | None = Field(None, gt=0, le=600_000, description="answer by then, from reception; default: the setting")
    crop: Literal["auto", "none"] = Field(
        "auto", description="auto finds the fruit once a model needs it; none takes all as it is"
    )
    explain: Literal["cam"] | None = Field(None, description="cam: answer with what each place adds to each grade's logit")
    dry_run: bool = Field(False, description="grade, but keep nothing")

    def order(self, idempotency_key: str | None, key_id: str | None) -> Order:
        captured: datetime | None = self.captured_at
        origin = Origin(self.camera, self.line, self.lot, captured)
        return Order(origin, self.deadline_ms, self.dry_run, self.explain == "cam", idempotency_key, key_id)


@router.post(
    "/grade",
    openapi_extra=_BODY,
    responses={200: _ANSWER, **{code: {"model": Problem} for code in (408, 409, 413, 422, 503)}},
    response_class=Response,
)
async def grade(request: Request, parts: Parts, query: Annotated[GradeQuery, Query()]) -> Response:
    """Grade one photograph. On record before it is answered. Sent again with the same `Idempotency-Key`, it is answered as the
    first time, with `Idempotency-Replayed: true`, and counted once."""
    started = time.perf_counter()
    key = None if query.dry_run else read_key(request.headers.getlist("idempotency-key"))
    order = query.order(key, principal(request).key_id)
    async with parts.uploads.photograph(request) as data:
        answered = await parts.pipeline.answer(data, order, started)
    response = json_response(answered.grading.to_json())
    if answered.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response
