"""What is served of the pages that explain."""

import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.dashboard.routes import mount

EXPLAIN_PAGES = ("/explain", "/explain/layers", "/explain/channels", "/explain/trust")


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    mount(app)
    return TestClient(app)


@pytest.mark.parametrize("path", EXPLAIN_PAGES)
def test_a_page_allows_nothing_inline_and_links_only_what_is_there(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", answer.text)
    linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text)
    assert len(linked) > 5
    assert {client.get(link).status_code for link in linked} == {200}


@pytest.mark.parametrize("path", EXPLAIN_PAGES)
def test_scripts_that_a_page_needs_are_fetched_side_by_side(client: TestClient, path: str) -> None:
    """Named in the page, or a browser would find each only after the one before."""
    named = set(re.findall(r'/static/([\w-]+\.js)"', client.get(path).text))
    reached, waiting = set(), set(named)
    while waiting:
        script = waiting.pop()
        reached.add(script)
        waiting |= set(re.findall(r'(?:from|import) "\./([\w-]+\.js)"', client.get(f"/static/{script}").text)) - reached
    assert reached == named


@pytest.mark.parametrize("path", EXPLAIN_PAGES)
def test_the_navigation_marks_the_page_that_is_shown(client: TestClient, path: str) -> None:
    text = client.get(path).text
    assert set(re.findall(r'<a href="([^"]+)" aria-current="page">', text)) == {path}
    assert {*EXPLAIN_PAGES, "/learn"} < set(re.findall(r'<li><a href="([^"]+)"', text))


def test_behind_a_proxy_the_pages_stay_under_its_prefix() -> None:
    inner = FastAPI()
    mount(inner)
    app = FastAPI()
    app.mount("/shed", inner)
    client = TestClient(app)
    for path in EXPLAIN_PAGES:
        text = client.get(f"/shed{path}").text
        links = re.findall(r'(?:href|src)="(/[^"]*)"', text)
        assert links
        assert all(link.startswith("/shed/") for link in links)
        assert f'<a href="/shed{path}" aria-current="page">' in text


def test_the_pages_are_no_endpoints_for_programs(client: TestClient) -> None:
    assert not set(EXPLAIN_PAGES) & set(client.get("/openapi.json").json()["paths"])


def test_the_live_page_leads_to_the_reasons(client: TestClient) -> None:
    text = client.get("/").text
    assert 'id="fruit-why"' in text
    assert 'href="/explain"' in text
