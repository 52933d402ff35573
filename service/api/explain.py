"""`/v1/explain`: what the network saw, and why it graded so."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from models.errors import InvalidParameter, UnknownMethod
from models.explain.catalogue import METHODS, Method
from models.grades import GRADES
from models.imaging import ImageLimits, decode_whole
from service.api.context import Context, Parts, json_response
from service.api.explain_schemas import ARCHITECTURES, EXPLAIN_DOCUMENTED, METHODS_DOCUMENTED, WHY_DOCUMENTED
from service.errors import GradingNotFound, InvalidRequest, NotAcceptable, PhotographNotKept
from service.explain import answers
from service.explain.jobs import ExplainJob, Model, WhyJob
from service.explain.subjects import subject_of
from service.grading import Grading

router = APIRouter(prefix="/v1/explain", tags=["explain"])

FIXED: Final = ("method", "layer", "target", "grading_id", "version", "overlay", "opacity")
"""Query parameters beside those of the method."""
HEADERS: Final = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff", "Vary": "Accept"}
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False, "": False}
_LOOK_S: Final = 0.5
"""How often a waiting request looks whether its client is still there."""


@router.get("/methods", responses=METHODS_DOCUMENTED, response_class=Response)
async def methods(
    request: Request,
    parts: Parts,
    version: Annotated[str | None, Query(max_length=20, description="number or alias; the champion by default")] = None,
) -> Response:
    """The methods that a model's network offers, with their layers and parameters, and its layers in running order."""
    _require_known(request, ("version",))
    model = await parts.explainer.model(version)
    described = await _while_connected(request, parts.explainer.describe(model))
    spec = model.card.preprocess
    answer = {
        "model": model.to_json(),
        "architecture": model.card.architecture,
        "input": {
            "width": spec.width,
            "height": spec.height,
            "channels": spec.channels,
            "mean": spec.mean[: spec.channels],
            "std": spec.std[: spec.channels],
        },
        **described,
    }
    return json_response(answer)


@router.post("", openapi_extra=EXPLAIN_DOCUMENTED["extra"], responses=EXPLAIN_DOCUMENTED["responses"], response_class=Response)
async def explain(request: Request, parts: Parts) -> Response:
    """Explain one photograph, or show what a layer has learned. The answer is raw numbers or a picture, by `Accept`."""
    media_type = _negotiated(request.headers.get("accept", ""))
    method, given = _method(request)
    fixed = {name: given.pop(name, None) for name in FIXED}
    overlay, opacity = _flag("overlay", fixed["overlay"]), _share("opacity", fixed["opacity"])
    parameters = _settled(method, given)
    if overlay:
        answers.require_overlay(method.name)
    if fixed["target"] and not method.target:
        raise InvalidParameter(f"{method.name} explains no single grade; leave target out.", valid=[])
    if fixed["target"] and fixed["target"] not in GRADES:
        message = f"target is {fixed['target'][:50]!r}; choose one of: {', '.join(GRADES)}."
        raise InvalidParameter(message, valid=list(GRADES))
    parts.explainer.pool.require()  # before a photograph is read for nothing
    with parts.explainer.admitted():
        return await _explain(request, parts, method, parameters, fixed, media_type, overlay, opacity)


async def _explain(
    request: Request,
    parts: Context,
    method: Method,
    parameters: dict[str, Any],
    fixed: dict[str, str | None],
    media_type: str,
    overlay: bool,
    opacity: float,
) -> Response:
    layer, target, wanted = (fixed[name] or None for name in ("layer", "target", "version"))
    if not method.photograph:
        _require_no_photograph(request, method, fixed["grading_id"])
        job = ExplainJob(await parts.explainer.model(wanted), method.name, parameters, layer, target)
        return await _answer(request, parts, job, None, media_type, opacity)
    if fixed["grading_id"]:
        if _has_body(request):
            raise InvalidRequest("There is a photograph and a grading_id; send one of the two.")
        found = await _grading(parts, fixed["grading_id"])
        data = await _photograph(parts, found)
        model = await (parts.explainer.model(wanted) if wanted else parts.explainer.model_of(found.model))
        target = target or (found.grade if method.target and not wanted else None)
        job = await _job(parts, data, ExplainJob(model, method.name, parameters, layer, target))
        return await _answer(request, parts, job, data if overlay else None, media_type, opacity)
    model = await parts.explainer.model(wanted)
    async with parts.uploads.photograph(request) as data:
        job = await _job(parts, data, ExplainJob(model, method.name, parameters, layer, target))
        return await _answer(request, parts, job, data if overlay else None, media_type, opacity)


@router.get("/why/{grading_id}", responses=WHY_DOCUMENTED, response_class=Response)
async def why(request: Request, parts: Parts, grading_id: str) -> Response:
    """Why this grade and not the runner-up: shares of the photograph's parts, what to hide to change it, photographs like it."""
    _require_known(request, ())
    parts.explainer.pool.require()
    with parts.explainer.admitted():
        return await _why(request, parts, grading_id)


async def _why(request: Request, parts: Context, grading_id: str) -> Response:
    found = await _grading(parts, grading_id)
    data = await _photograph(parts, found)
    model = await parts.explainer.model_of(found.model)
    subject = await parts.explainer.draw(subject_of, model.card.preprocess, data, _limits(parts))
    job = WhyJob(model, subject, parts.settings.galleries.root)
    reasons = await _while_connected(request, parts.explainer.why(job))
    placement = subject.placement
    answer = {
        "grading_id": found.id,
        **reasons,
        "probabilities": {grade: reasons["probabilities"][grade] for grade in GRADES},
        "model": model.to_json(),
        "photograph": {"width": placement.photograph_width, "height": placement.photograph_height},
        "placement": placement.to_json(),
    }
    response = json_response(answer)
    response.headers.update(HEADERS)
    return response


@router.get("/architectures", responses=ARCHITECTURES, response_class=Response)
async def architectures(request: Request, parts: Parts) -> Response:
    """Parameters and multiply-accumulates of every network, computed, beside the figures that were published."""
    _require_known(request, ())
    return json_response(await _while_connected(request, parts.explainer.architectures()))


def _method(request: Request) -> tuple[Method, dict[str, str]]:
    """The method asked for, and all query parameters. Raises UnknownMethod, InvalidParameter for a parameter it does not know."""
    given = dict(request.query_params)
    name = given.get("method", "")
    if name not in METHODS:
        raise UnknownMethod(name, list(METHODS), "" if name else "Name a method.")
    return METHODS[name], given


def _settled(method: Method, given: dict[str, str]) -> dict[str, Any]:
    valid = [*FIXED, *(parameter.name for parameter in method.parameters)]
    if unknown := [name for name in given if name not in valid]:
        message = f"{method.name} has no parameter {unknown[0][:50]!r}; it takes: {', '.join(valid)}."
        raise InvalidParameter(message, valid=valid)
    return method.settle(given)


def _require_known(request: Request, valid: tuple[str, ...]) -> None:
    if unknown := [name for name in request.query_params if name not in valid]:
        message = f"There is no parameter {unknown[0][:50]!r}; it takes: {', '.join(valid) or 'none'}."
        raise InvalidParameter(message, valid=list(valid))


def _flag(name: str, value: str | None) -> bool:
    if (value or "").lower() not in _TRUTH:
        raise InvalidParameter(f"{name} is {str(value)[:50]!r}; it takes true or false.", valid=["true", "false"])
    return _TRUTH[(value or "").lower()]


def _share(name: str, value: str | None) -> float:
    try:
        share = 0.5 if value is None else float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidParameter(f"{name} is {str(value)[:50]!r}; it takes a number from 0 to 1.", least=0, most=1)
    return share


def _negotiated(accept: str) -> str:
    """The media type that the client likes best, JSON where it does not care. Raises NotAcceptable."""
    best, liked = None, 0.0
    for place in (accept or "*/*").lower().split(","):
        kind, *options = (part.strip() for part in place.split(";"))
        weight = next((_weight(option[2:]) for option in options if option.startswith("q=")), 1.0)
        group, _, rest = kind.partition("/")
        fits = [
            known for known in answers.MEDIA_TYPES if kind in (known, "*/*") or (rest == "*" and known.startswith(group + "/"))
        ]
        if fits and weight > liked:
            best, liked = fits[0], weight
    if best is None:
        raise NotAcceptable(accept, list(answers.MEDIA_TYPES))
    return best


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") not in ("", "0")


def _require_no_photograph(request: Request, method: Method, grading_id: str | None) -> None:
    if grading_id or _has_body(request):
        raise InvalidRequest(f"{method.name} shows what the network has learned; send neither a photograph nor a grading_id.")


async def _grading(parts: Context, grading_id: str) -> Grading:
    found = await asyncio.to_thread(parts.records.get, grading_id) if parts.records else None
    if found is None:
        raise GradingNotFound(grading_id)
    return found


async def _photograph(parts: Context, grading: Grading) -> bytes:
    kept = None
    if parts.records and grading.photograph:
        kept = await asyncio.to_thread(parts.records.photographs.get, grading.photograph)
    if kept is None:
        raise PhotographNotKept(grading.id)
    return kept[0]


async def _job(parts: Context, data: bytes, job: ExplainJob) -> ExplainJob:
    """The job with its photograph, prepared as a grading prepares it."""
    model: Model = job.model
    enlarged_px = int(job.parameters.get("size_px", 0))
    subject = await parts.explainer.draw(subject_of, model.card.preprocess, data, _limits(parts), enlarged_px)
    return ExplainJob(model, job.method, job.parameters, job.layer, job.target, subject)


async def _answer(
    request: Request, parts: Context, job: ExplainJob, over: bytes | None, media_type: str, opacity: float
) -> Response:
    explained = await _while_connected(request, parts.explainer.explain(job))
    draw = parts.explainer.draw
    if media_type == answers.PNG:
        photograph = await draw(decode_whole, over, _limits(parts)) if over is not None else None
        body = await draw(answers.as_png, job, explained, photograph, opacity)
    elif media_type == answers.NPY:
        body = await draw(answers.as_npy, explained)
    else:
        body = await draw(answers.as_json, job, explained)
    return Response(body, headers=HEADERS, media_type=media_type)


async def _while_connected(request: Request, work: Any) -> Any:
    """Await an answer for as long as its client does. Raises ClientDisconnect when it hung up; its place in the queue is free."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_S))[0]:
            if await request.is_disconnected():
                raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()


def _limits(parts: Context) -> ImageLimits:
    return ImageLimits(parts.settings.max_pixels)
