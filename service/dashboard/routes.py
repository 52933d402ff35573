"""The dashboard's pages and files: server-rendered skeletons, filled by small scripts over the HTTP contract."""

from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.responses import Response
from starlette.types import Scope

from models.grades import BENT, GRADES, STRAIGHT

HERE: Final = Path(__file__).parent

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from outside the box: a shed has no internet, and a photograph's name is never code."""

SAFETY_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


EXPLAIN_PAGES: Final = {
    "/explain": "explain.html",
    "/explain/layers": "explain_layers.html",
    "/explain/channels": "explain_channels.html",
    "/explain/trust": "trust.html",
}
"""Why a grade was given, what layers and channels see, and how far that can be trusted: path -> template. Which grading
(`?grading=`) or layer (`?layer=`) is shown is the scripts' affair."""

LEARN_PAGES: Final = {
    "/learn": "learn.html",
    "/learn/lenet": "learn_lenet.html",
    "/learn/pooling": "learn_pooling.html",
    "/learn/errors": "learn_errors.html",
    "/learn/architectures": "learn_architectures.html",
    "/learn/one-by-one": "learn_one_by_one.html",
    "/learn/inception": "learn_inception.html",
    "/learn/fft": "learn_fft.html",
}
"""How a network sees, in the order of the lecture that the project grew from."""

PAGES: Final = {"/": "live.html", **EXPLAIN_PAGES, **LEARN_PAGES}


def family(grade: str) -> str:
    """The kind of fruit that a grade stands for; pages give each kind a colour, a sign and a word."""
    return "straight" if grade in STRAIGHT else "bent" if grade in BENT else "misshapen"


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

    def render(self, request: Request, template: str, **context: Any) -> Response:
        """A page: `root` is the service's prefix, `grades` the grades with their kinds."""
        # root_path: behind a proxy the whole service may live under a prefix
        root = str(request.scope.get("root_path", "")).rstrip("/")
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-cache", **SAFETY_HEADERS}
        given = {"root": root, "grades": self._grades, **context}
        return self._templates.TemplateResponse(request, template, given, headers=headers)


def router(pages: Pages) -> APIRouter:
    """All of PAGES. Not in the OpenAPI schema: programs use the JSON resources."""
    found = APIRouter(include_in_schema=False)
    for path, template in PAGES.items():
        _add(found, pages, path, template)
    return found


def _add(found: APIRouter, pages: Pages, path: str, template: str) -> None:
    @found.get(path, response_class=HTMLResponse, name=path)
    def page(request: Request) -> Response:
        return pages.render(request, template)


def mount(app: FastAPI) -> None:
    """Add the pages and `/static` to the service."""
    app.include_router(router(Pages()))
    app.mount("/static", DashboardFiles(directory=HERE / "static"), name="static")
