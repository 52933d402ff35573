"""The OpenAPI document as the service really answers: what FastAPI cannot know of middleware and error handlers is added."""

from typing import Any, Final

from fastapi import FastAPI

from service.bodies import BODILESS, STREAMED
from service.errors import PROBLEM

_FRAMEWORKS: Final = ("HTTPValidationError", "ValidationError")
"""Schemas of FastAPI's own refusals; `service.errors` answers problems in their place."""
_PROBLEM: Final[dict[str, Any]] = {"schema": {"$ref": "#/components/schemas/Problem"}}
_OF_BODIES: Final = {"408": "The body did not arrive in time.", "413": "The body is too large."}
"""What `SmallBodies` answers in place of a route."""


class Documented(FastAPI):
    """An application whose document names every answer with its media type."""

    def openapi(self) -> dict[str, Any]:
        """The document."""
        document = super().openapi()
        mend(document)
        return document


def mend(document: dict[str, Any]) -> None:
    """Problems are `application/problem+json`, refused parameters are problems, and no small body is read without end.

    What is mended already stays as it is: FastAPI keeps the document and gives it out again.
    """
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            for answer in responses.values():
                if "content" in answer:
                    answer["content"] = dict(_mended(kind, media) for kind, media in answer["content"].items())
            if method.upper() not in BODILESS and path not in STREAMED:
                for status, words in _OF_BODIES.items():
                    responses.setdefault(status, {"description": words, "content": {PROBLEM: _PROBLEM}})
    for name in _FRAMEWORKS:
        document["components"]["schemas"].pop(name, None)


def _mended(kind: str, media: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    named = str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    return (PROBLEM, _PROBLEM) if named in ("Problem", *_FRAMEWORKS) else (kind, media)
