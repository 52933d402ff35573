"""The pages that explain: why a grade was given, what each layer sees, what the channels have learned."""

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

if TYPE_CHECKING:  # that module takes this one in
    from service.dashboard.routes import Pages

PAGES: Final = {
    "/explain": "explain.html",
    "/explain/layers": "explain_layers.html",
    "/explain/channels": "explain_channels.html",
}
"""Path -> template. Which grading (`?grading=`) or layer (`?layer=`) is shown is the scripts' affair."""


def router(pages: "Pages") -> APIRouter:
    """All of PAGES. Not in the OpenAPI schema: programs use the JSON resources."""
    found = APIRouter(include_in_schema=False)
    for path, template in PAGES.items():
        _add(found, pages, path, template)
    return found


def _add(found: APIRouter, pages: "Pages", path: str, template: str) -> None:
    @found.get(path, response_class=HTMLResponse, name=path)
    def page(request: Request) -> Response:
        return pages.render(request, template)
