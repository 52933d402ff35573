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
from service.dashboard import explain_routes, learn_routes

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
    """The pages. Not in the OpenAPI schema: programs use the JSON resources."""
    found = APIRouter(include_in_schema=False)

    @found.get("/", response_class=HTMLResponse)
    def live(request: Request) -> Response:
        return pages.render(request, "live.html")

    return found


def mount(app: FastAPI) -> None:
    """Add the pages and `/static` to the service."""
    pages = Pages()
    for routes in (router(pages), explain_routes.router(pages), learn_routes.router(pages)):
        app.include_router(routes)
    app.mount("/static", DashboardFiles(directory=HERE / "static"), name="static")
