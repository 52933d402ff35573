"""The dashboard's pages and files: server-rendered skeletons, filled by small scripts over the HTTP contract."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.responses import Response
from starlette.types import Scope

from models.grades import GRADES
from service.dashboard.language import COOKIE, DOMAINS, LANGUAGES, Speaker, mark, negotiated, words
from service.dashboard.newest import FindNewest, family, looked_up
from service.dashboard.pages import HERE, PAGES, PageSpec, modules
from service.errors import NotFound

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from outside the box: a shed has no internet, and a photograph's name is never code."""

SAFETY_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


class DashboardFiles(StaticFiles):
    """Static files that a browser keeps, and asks about by ETag before it uses them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        # kept but always asked about: after an upgrade a page never runs half of the old scripts and half of the new
        response.headers["Cache-Control"] = "no-cache"
        response.headers.update(SAFETY_HEADERS)
        return response


class Pages:
    """Renders the templates, with what every page is given."""

    def __init__(self) -> None:
        self._templates = Jinja2Templates(directory=HERE / "templates")
        self._grades = [(grade, family(grade)) for grade in GRADES]

    def render(self, request: Request, spec: PageSpec, **context: Any) -> Response:
        """A page in the reader's language: `root` is the service's prefix, `grades` the grades with their kinds."""
        # root_path: behind a proxy the whole service may live under a prefix
        root = str(request.scope.get("root_path", "")).rstrip("/")
        language = negotiated(request.cookies.get(COOKIE), request.headers.get("accept-language"))
        speaker = Speaker(language, spec.domain)
        headers = {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Language, Cookie",
            **SAFETY_HEADERS,
        }
        given = {
            "root": root,
            "language": language,
            "spec": spec,
            "modules": modules(spec.script),
            "grades": self._grades,
            "_": speaker.said,
            "text": speaker.text,
            "attr": speaker.attribute,
            "mark": mark,
            **context,
        }
        return self._templates.TemplateResponse(request, spec.template, given, headers=headers)


def router(pages: Pages, newest: FindNewest | None) -> APIRouter:
    """All of PAGES, and the words of the scripts. Not in the OpenAPI schema: programs use the JSON resources."""
    found = APIRouter(include_in_schema=False)
    for path, spec in PAGES.items():
        _add(found, pages, path, spec, newest)

    @found.get("/words/{language}/{domain}")
    def said(language: str, domain: str) -> Response:
        if language not in LANGUAGES or domain not in DOMAINS:
            raise NotFound("catalogue", f"{language}/{domain}")
        return Response(words(language, domain), media_type="application/json", headers={"Cache-Control": "no-cache"})

    return found


def _add(found: APIRouter, pages: Pages, path: str, spec: PageSpec, newest: FindNewest | None) -> None:
    @found.get(path, response_class=HTMLResponse, name=path)
    async def page(request: Request) -> Response:
        fruit = await looked_up(newest, request.query_params.get("line")) if newest and spec.own_feed else None
        return await asyncio.to_thread(pages.render, request, spec, newest=fruit)  # takes milliseconds that fruit need not wait


def mount(app: FastAPI, newest: FindNewest | None = None) -> None:
    """Add the pages and `/static` to the service; the live page comes with the `newest` fruit where that is given."""
    app.include_router(router(Pages(), newest))
    app.mount("/static", DashboardFiles(directory=HERE / "static"), name="static")
