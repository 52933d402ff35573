"""The application in this process: its lifespan, and a client that needs no socket."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import httpx2
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.api.context import Context
from service.app import create_app
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Running:
    app: FastAPI
    client: httpx2.AsyncClient

    @property
    def context(self) -> Context:
        context: Context = self.app.state.context
        return context


@asynccontextmanager
async def run_service(settings: Settings) -> AsyncIterator[Running]:
    """Start the service, hand out a client, stop the service."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield Running(app, client)


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for something that happens on another thread or task."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await anyio.sleep(0.002)


def local_client(app: FastAPI) -> TestClient:
    """A client that does not await, on the machine of the service itself: one that needs no credentials."""
    return TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50_000))
