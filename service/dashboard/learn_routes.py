"""The teaching pages, in the order of the lecture that the project grew from, and the page on trust."""

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

if TYPE_CHECKING:  # that module takes this one in
    from service.dashboard.routes import Pages

PAGES: Final = {
    "/learn": "learn.html",
    "/learn/lenet": "learn_lenet.html",
    "/learn/pooling": "learn_pooling.html",
    "/learn/errors": "learn_errors.html",
    "/learn/architectures": "learn_architectures.html",
    "/learn/one-by-one": "learn_one_by_one.html",
    "/learn/inception": "learn_inception.html",
    "/learn/fft": "learn_fft.html",
    "/explain/trust": "trust.html",
}
"""Path -> template."""


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
