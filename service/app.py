"""The composition root: settings -> a FastAPI application. Importing this opens no file, socket or log."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from types import FrameType

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import SenkaError
from service import errors
from service.api import events, explain, gallery, grade, gradings, health, inference_protocol, models
from service.api.context import Context
from service.api.upload import Uploads
from service.dashboard.routes import mount
from service.events import Events
from service.explain.explainer import Explainer
from service.inference.reload import Champion
from service.metrics import CountRequests, forget_dead_workers
from service.pipeline import Pipeline
from service.records.database import migrate, open_database
from service.records.photographs import PhotographStore
from service.records.repository import Records
from service.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service. Nothing is opened before its lifespan starts; it listens only once the champion is loaded and warm."""
    chosen = settings or Settings.load()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context = await _assemble(chosen)
        app.state.context = context
        restore = _drain_on_signal(context)
        try:
            yield
        finally:
            restore()
            _drain(context)
            await context.explainer.close()
            await context.pipeline.close()
            if context.records:
                context.records.engine.dispose()

    app = FastAPI(
        title="Senka",
        version=version("senka"),
        description="Grades cucumbers on a sorting line. Every grading is on record before it is answered.",
        lifespan=lifespan,
        docs_url=None,  # its page fetches scripts from elsewhere; the schema is at /openapi.json
        redoc_url=None,
    )
    errors.install(app)
    app.add_middleware(CountRequests)
    app.add_middleware(PlainStartupErrors)
    for resource in (grade, gradings, explain, gallery, events, models, inference_protocol, health):
        app.include_router(resource.router)
    mount(app)
    return app


class PlainStartupErrors:
    """ASGI middleware: a start that fails for a reason that we know is reported in one line, not as a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        failed: list[Message] = []

        async def held(message: Message) -> None:
            # Starlette reports the failure as a traceback first and raises the exception after
            if message["type"] == "lifespan.startup.failed":
                failed.append(message)
            else:
                await send(message)

        try:
            await self.app(scope, receive, held)
        except BaseException as error:
            for message in failed:
                await send({**message, "message": f"senka: {error}"} if isinstance(error, SenkaError) else message)
            raise


async def _assemble(settings: Settings) -> Context:
    forget_dead_workers()
    records = None
    if settings.records == "on":
        engine = open_database(settings.records_url)
        migrate(engine)
        records = Records(engine, PhotographStore(settings.photographs))
    champion = Champion(settings)
    try:
        await champion.start()
    except BaseException:
        if records:
            records.engine.dispose()
        raise
    if not champion.ready:
        log.warning("no champion in %s yet: publish one, grading starts by itself", settings.models)
    pipeline = Pipeline(settings, champion, records)
    feed = Events(records, champion)
    pipeline.on_recorded = feed.nudge
    uploads = Uploads(settings.max_body_bytes, settings.max_held_bytes, settings.body_timeout_ms)
    return Context(settings, champion, records, pipeline, feed, uploads, Explainer(settings, champion))


def _drain(context: Context) -> None:
    """Refuse new photographs, end the event streams and the explanations; photographs that were accepted are still answered."""
    context.pipeline.draining = True
    context.explainer.pool.stop()
    context.events.close()


def _drain_on_signal(context: Context) -> Callable[[], None]:
    """On SIGTERM and SIGINT drain at once, then let the server stop: it waits for open responses, and an event stream would
    never end by itself. Returns the function that puts the old handlers back."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        # not at once: the handler may interrupt the very code that it would change things under
        loop.call_soon_threadsafe(_drain, context)
        earlier = previous[signal.Signals(number)]
        if callable(earlier):
            earlier(number, frame)

    for number in previous:
        signal.signal(number, handle)

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    return restore
