"""The service's own errors, and the one place that maps every error to RFC 9457 `application/problem+json`."""

import re
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from models.errors import SenkaError
from service.metrics import REJECTED
from service.security.headers import add_safety

PROBLEM: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
CLIENT_GONE: Final = 499
"""As nginx counts it: no answer reaches anybody, and it is no fault of ours."""


class BodyTooLarge(SenkaError):
    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes:,} bytes. Send less at once.", limit_bytes=limit_bytes)


class InvalidRequest(SenkaError):
    code = "invalid_request"


class Overloaded(SenkaError):
    code = "overloaded"

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} photographs are waiting already. Send it again later, or slow down.", waiting=waiting)


class UploadsFull(Overloaded):
    def __init__(self, limit_bytes: int) -> None:
        SenkaError.__init__(
            self, f"Photographs of {limit_bytes:,} bytes are held already. Send it again later.", limit_bytes=limit_bytes
        )


class BodyTimeout(SenkaError):
    code = "body_timeout"

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"The body did not arrive within {limit_s:g} s. Send it again.", limit_s=limit_s)


class RecordsUnavailable(SenkaError):
    code = "records_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The grading could not be put on record ({reason}). Send the photograph again later.")


class Draining(SenkaError):
    code = "draining"

    def __init__(self) -> None:
        super().__init__("The service is stopping. Send it again in a moment.")


class ModelNotReady(SenkaError):
    code = "model_not_ready"

    def __init__(self, name: str) -> None:
        super().__init__(f"No champion of {name!r} is published yet: senka models publish MODEL.onnx --promote.", name=name)


class GradingNotFound(SenkaError):
    code = "grading_not_found"

    def __init__(self, grading_id: str) -> None:
        super().__init__(f"There is no grading {grading_id!r}.", grading_id=grading_id)


class PhotographNotKept(SenkaError):
    code = "photograph_not_kept"

    def __init__(self, grading_id: str) -> None:
        super().__init__(f"The photograph of grading {grading_id!r} is not kept.", grading_id=grading_id)


class PhotographNotStored(SenkaError):
    """The image store refused a photograph; its grading can be kept without it."""

    code = "photograph_not_stored"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The photograph could not be stored ({reason}).", reason=reason)


class PhotographUnavailable(SenkaError):
    """It is kept, but the store that has it does not answer."""

    code = "photograph_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The image store does not answer ({reason}). Ask again later.", reason=reason)


class TooManyExplanations(SenkaError):
    code = "too_many_explanations"

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} explanations are waiting already. Ask again in a moment.", waiting=waiting)


class TooManyExports(SenkaError):
    code = "too_many_exports"

    def __init__(self, at_once: int) -> None:
        super().__init__(f"{at_once} exports are being made already. Ask again when one of them is done.", at_once=at_once)


class TooManyBatches(SenkaError):
    code = "too_many_batches"

    def __init__(self) -> None:
        super().__init__("Another batch is being taken in. Send this one when it is done.")


class NoRoom(SenkaError):
    """The disk refuses, or is kept free for gradings."""

    code = "no_room"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The batch cannot be stored ({reason}). Make room, or send a smaller one.", reason=reason)


class ExplanationTimeout(SenkaError):
    code = "explanation_timeout"

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"The explanation took longer than {limit_s:g} s and was stopped. Ask for less of it: fewer steps or samples, a "
            "smaller size, a larger stride.",
            limit_s=limit_s,
        )


class ExplanationFailed(SenkaError):
    code = "explanation_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The explanation failed: {reason}. The service's log has the details.", reason=reason)


class ExplanationsUnavailable(SenkaError):
    code = "explanations_unavailable"

    @classmethod
    def missing(cls, module: str) -> "ExplanationsUnavailable":
        return cls(
            f"{module} is not installed, and explanations need it; in the checkout: pip install -e '.[explain]'. Gradings and "
            "their class activation maps (POST /v1/grade?explain=cam) do without.",
            module=module,
        )


class NotAcceptable(SenkaError):
    code = "not_acceptable"

    def __init__(self, accepted: str, valid: list[str]) -> None:
        super().__init__(f"Accept is {accepted[:100]!r}; the answer comes as one of: {', '.join(valid)}.", valid=valid)


class IdempotencyConflict(SenkaError):
    code = "idempotency_conflict"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency-Key {key[:80]!r} came with another photograph before. Give every photograph a key of its own.",
            idempotency_key=key,
        )


class InvalidIdempotencyKey(SenkaError):
    code = "invalid_idempotency_key"

    def __init__(self) -> None:
        super().__init__("Idempotency-Key must be 1 to 200 visible ASCII characters, such as a UUID.")


class Unauthenticated(SenkaError):
    code = "unauthenticated"


class Forbidden(SenkaError):
    code = "forbidden"


class LoginThrottled(SenkaError):
    code = "login_throttled"

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"Too many wrong passwords. Wait {wait_s} s and try again.", wait_s=wait_s)


class RateLimited(SenkaError):
    code = "rate_limited"

    def __init__(self, limit_per_s: float, wait_s: int) -> None:
        super().__init__(
            f"This camera sends more than {limit_per_s:g} photographs a second. Slow down.",
            limit_per_s=limit_per_s,
            wait_s=wait_s,
        )


class HostNotTrusted(SenkaError):
    code = "host_not_trusted"

    def __init__(self, host: str) -> None:
        super().__init__(f"This service is not called {host[:100]!r}; SENKA_TRUSTED_HOSTS names what it is called.", host=host)


class NotFound(SenkaError):
    """A resource that is not there."""

    code = "not_found"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is no {kind} {name[:100]!r}.", kind=kind, name=name)


class AlreadyExists(SenkaError):
    code = "already_exists"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is a {kind} {name[:100]!r} already.", kind=kind, name=name)


class InUse(SenkaError):
    """Deleting it would lose what something else says of it."""

    code = "in_use"

    def __init__(self, kind: str, name: str, by: str) -> None:
        super().__init__(f"The {kind} {name[:100]!r} cannot be deleted: {by}.", kind=kind, name=name)


class RecordsOff(SenkaError):
    code = "records_off"

    def __init__(self, kind: str) -> None:
        super().__init__(f"SENKA_RECORDS is off, and {kind} are among the records: there are none here.")


class TimeZoneMissing(SenkaError):
    code = "time_zone_missing"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"This machine does not know the farm's time zone {name[:100]!r}: install its time zone data (tzdata), or set "
            "another time zone.",
            time_zone=name,
        )


class LastAdmin(SenkaError):
    code = "last_admin"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is the last admin: nobody could let others in any more. Make somebody else an admin first, or use "
            "`senka users` on the machine itself.",
            name=name,
        )


STATUS: Final[dict[str, int]] = {
    "last_admin": 409,
    "time_zone_missing": 503,
    "records_off": 409,
    "unauthenticated": 401,
    "forbidden": 403,
    "host_not_trusted": 421,
    "login_throttled": 429,
    "rate_limited": 429,
    "idempotency_conflict": 409,
    "invalid_idempotency_key": 422,
    "not_found": 404,
    "already_exists": 409,
    "in_use": 409,
    "empty_body": 422,
    "undecodable_image": 422,
    "too_many_pixels": 422,
    "invalid_request": 422,
    "body_too_large": 413,
    "body_timeout": 408,
    "records_unavailable": 503,
    "overloaded": 503,
    "draining": 503,
    "model_not_ready": 503,
    "grading_not_found": 404,
    "photograph_not_kept": 404,
    "photograph_unavailable": 503,
    "model_not_found": 404,
    "retraining_running": 409,
    "retraining_not_running": 409,
    "retraining_not_resumable": 409,
    "retraining_not_started": 503,
    "training_not_installed": 409,
    "page_not_made": 404,
    "model_corrupt": 409,
    "repository_unreadable": 503,
    "gallery_not_made": 404,
    "gallery_file_not_found": 404,
    "not_acceptable": 406,
    "unknown_method": 422,
    "unknown_layer": 422,
    "invalid_parameter": 422,
    "checkpoint_missing": 409,
    "checkpoint_mismatch": 409,
    "model_mismatch": 409,
    "too_many_explanations": 429,
    "too_many_exports": 429,
    "too_many_batches": 429,
    "no_room": 507,
    "invalid_batch": 422,
    "unsafe_file": 422,
    "explanations_unavailable": 503,
    "explanation_timeout": 504,
}
"""HTTP status of every `code` a client can cause; any other SenkaError is our fault, 500."""


def problem(status: int, code: str, detail: str, **facts: Any) -> Response:
    """A problem document; 429 and 503 carry `Retry-After` (the fact `wait_s`, where there is one), 401 what to send."""
    REJECTED.labels(code).inc()
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "code": code, **facts}
    headers = {"Retry-After": str(facts.get("wait_s", RETRY_AFTER_S))} if status in (429, 503) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="senka"'
    return Response(orjson.dumps(body, default=str), status, headers, PROBLEM)


def _words(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such parameter; /openapi.json lists them"
    return str(error["msg"]).removeprefix("Value error, ")  # pydantic's word for a validator of ours


def _valid(error: dict[str, Any]) -> list[str]:
    """The values that a parameter of few values takes."""
    return re.findall(r"'([^']*)'", error["ctx"]["expected"]) if error["type"] == "literal_error" else []


def install(app: FastAPI) -> None:
    """Map every exception that leaves a route."""

    async def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, SenkaError)  # noqa: S101 - registered for this class only
        return problem(STATUS.get(error.code, 500), error.code, str(error), **error.facts)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        found = [f"{'.'.join(str(part) for part in e['loc'][1:]) or e['loc'][0]}: {_words(e)}" for e in error.errors()]
        valid = [name for e in error.errors() for name in _valid(e)]
        return problem(422, "invalid_request", "; ".join(found), errors=found, **({"valid": valid} if valid else {}))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(error.__cause__, (ValueError, RecursionError)):
            # FastAPI's word for a body that is no text, or nested without end
            return problem(422, "invalid_request", "The body cannot be read as JSON in UTF-8.")
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        response = problem(error.status_code, code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    async def gone(_: Request, error: Exception) -> Response:
        REJECTED.labels("client_gone").inc()
        return Response(status_code=CLIENT_GONE)

    async def unknown(_: Request, error: Exception) -> Response:
        response = problem(500, "internal_error", f"An unexpected {type(error).__name__}; the log has the details.")
        add_safety(response.raw_headers, https=False)  # our own bugs are answered outside of every middleware
        return response

    app.add_exception_handler(SenkaError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unknown)
