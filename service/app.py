"""The composition root: settings -> a FastAPI application. Importing this opens no file, socket or log."""

import asyncio
import logging
import multiprocessing
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from types import FrameType
from typing import Final

from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import SenkaError
from models.imaging import ImageLimits
from service import errors
from service.api import (
    activity,
    audit,
    batches,
    cameras,
    corrections,
    events,
    explain,
    export,
    farm,
    gallery,
    grade,
    gradings,
    growers,
    health,
    inference_protocol,
    keys,
    lines,
    login,
    lots,
    models,
    profiles,
    report,
    retrainings,
    review,
    review_claims,
    similar,
    users,
)
from service.api import alarms as alarms_api
from service.api import settings as settings_api
from service.api.context import Context
from service.api.document import Documented
from service.api.upload import Uploads
from service.bodies import SmallBodies
from service.current_lots import CurrentLots
from service.dashboard.newest import newest_of
from service.dashboard.routes import mount
from service.errors import RecordsUnavailable
from service.events import Events
from service.explain.explainer import Explainer
from service.inference.reload import Champion
from service.inference.shadow import Shadow
from service.metrics import CountRequests, forget_dead_workers
from service.monitor.alarms import Alarms
from service.monitor.feed import AlarmFeed
from service.monitor.rollback import RollbackWatch
from service.pipeline import Pipeline
from service.profiles import profile_in_effect, rules_of
from service.records.database import DatabaseUnavailable, migrate, open_database
from service.records.journal import Journal
from service.records.photographs import open_store
from service.records.recorder import Recorder
from service.records.repository import Records
from service.records.retention import Retention
from service.records.served import note_served
from service.records.shadow import ShadowRecords
from service.reviewing import Reviewing
from service.schemas import Problem
from service.security.door import Door
from service.security.guard import REFUSALS, Guard
from service.security.headers import SafetyHeaders
from service.settings import Settings

log = logging.getLogger(__name__)

DATABASE_TRIED_EVERY_S: Final = 1.0


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
            if context.reviewing:
                await context.reviewing.close()
            await context.explainer.close()
            await context.pipeline.close()
            if context.rollback_watch:
                await context.rollback_watch.close()
            if context.pipeline.shadow:
                await asyncio.to_thread(context.pipeline.shadow.close)
            if context.records:
                await asyncio.to_thread(context.records.recorder.close)
            context.door.close()
            if context.retention:
                await asyncio.to_thread(context.retention.stop)
            await asyncio.to_thread(context.current_lots.close)
            await asyncio.to_thread(context.alarms.close)
            if context.records:
                await asyncio.to_thread(context.records.photographs.close)
                context.records.engine.dispose()

    app = Documented(
        title="Senka",
        version=version("senka"),
        description="Grades cucumbers on a sorting line. Every grading is on record before it is answered.",
        lifespan=lifespan,
        docs_url=None,  # its page fetches scripts from elsewhere; the schema is at /openapi.json
        redoc_url=None,
        responses={code: {"model": Problem, "description": words} for code, words in REFUSALS.items()},
    )
    errors.install(app)
    app.add_middleware(SmallBodies, timeout_s=chosen.body_timeout_ms / 1e3)
    app.add_middleware(Guard)
    app.add_middleware(CountRequests)
    app.add_middleware(SafetyHeaders)
    app.add_middleware(PlainStartupErrors)
    for resource in (grade, gradings, export, explain, gallery, events, models, inference_protocol, health, login, users, keys):
        app.include_router(resource.router)
    for resource in (review, review_claims, similar, farm, activity, report):
        app.include_router(resource.router)
    for resource in (batches, retrainings, corrections, lots, lines, growers, cameras, alarms_api, profiles, audit, settings_api):
        app.include_router(resource.router)
    mount(app, newest_of(lambda: app.state.context.records))
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
    records = profile_version = None
    alarms, current_lots = Alarms(None), CurrentLots(None)
    if settings.records == "on":
        engine = open_database(settings.records_url, durable=settings.durability == "sync")
        profile_version = await _open_records(engine, settings)
        alarms, current_lots = Alarms(engine), CurrentLots(engine)
        store = open_store(settings, alarms)
        journal = Journal(settings.home / "journal", settings.journal_bytes)
        records = Records(engine, store, Recorder(engine, store, journal, alarms))
    champion = Champion(settings)
    if records:
        champion.on_serving = lambda serving: note_served(engine, serving.ref, serving.model.card.model_dump(mode="json"))
    try:
        await champion.start()
        door = Door.open(settings, records.engine if records else None)
    except BaseException:
        if records:
            records.photographs.close()
            records.engine.dispose()
        raise
    if not champion.ready:
        log.warning("no champion in %s yet: publish one, grading starts by itself", settings.models)
    alarms.start()
    await asyncio.to_thread(current_lots.start)
    if records:
        await asyncio.to_thread(records.recorder.start)
    pipeline = Pipeline(settings, champion, records)
    pipeline.lot_of, pipeline.profile_version = current_lots.lot_of, profile_version
    seen = AlarmFeed(alarms, records.engine if records else None)
    feed = Events(records, champion, seen, records.activity if records else None)
    pipeline.on_recorded = feed.nudge
    uploads = Uploads(settings.max_body_bytes, settings.max_held_bytes, settings.body_timeout_ms)
    retention = Retention(records.engine, records.photographs, settings, alarms) if records else None
    if retention:
        retention.start()
    if records:
        pipeline.shadow = Shadow(settings, champion.repository, ShadowRecords(records.engine))
        pipeline.shadow.start()
    rollback_watch = None
    if records and pipeline.shadow and (settings.rollback_manual_share > 0 or settings.rollback_disagreement > 0):
        shares = settings.rollback_manual_share, settings.rollback_disagreement
        rollback_watch = RollbackWatch(*shares, champion, pipeline.shadow, records.engine, alarms)
        pipeline.on_graded = rollback_watch.note
    explainer = Explainer(settings, champion)
    limits = ImageLimits(settings.max_pixels)
    reviewing = Reviewing.of(records, champion, limits, explainer.draw) if records else None
    return Context(
        settings,
        champion,
        records,
        pipeline,
        feed,
        uploads,
        explainer,
        retention,
        door,
        alarms,
        current_lots,
        profile_version,
        rollback_watch,
        reviewing,
    )


async def _open_records(engine: Engine, settings: Settings) -> int:
    """Bring the schema up to date; return the version of the rules in effect.

    Raises DatabaseUnavailable or RecordsUnavailable, but one of several workers, which takes the place of one that died, waits
    for a database that is away: a worker that fails to start ends all the others, which are grading into their journals.
    """
    stopped = asyncio.Event()
    restore = _on_stop(stopped.set)
    try:
        while True:
            try:
                migrate(engine)
                return profile_in_effect(engine, rules_of(settings))
            except (DatabaseUnavailable, RecordsUnavailable) as error:
                if multiprocessing.parent_process() is None or stopped.is_set():
                    raise
                log.warning("this worker waits for the database: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), DATABASE_TRIED_EVERY_S)
    finally:
        restore()


def _drain(context: Context) -> None:
    """Refuse new photographs, end the event streams and the explanations; photographs that were accepted are still answered."""
    context.pipeline.draining = True
    context.explainer.pool.stop()
    context.events.close()


def _drain_on_signal(context: Context) -> Callable[[], None]:
    """On SIGTERM and SIGINT drain at once, then let the server stop: it waits for open responses, and an event stream would
    never end by itself. Returns the function that puts the old handlers back."""
    return _on_stop(lambda: _drain(context))


def _on_stop(act: Callable[[], None]) -> Callable[[], None]:
    """Act on SIGTERM and SIGINT, before those who handled them so far. Returns the function that puts the old handlers back."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        # not at once: the handler may interrupt the very code that it would change things under
        loop.call_soon_threadsafe(act)
        earlier = previous[signal.Signals(number)]
        if callable(earlier):
            earlier(number, frame)

    for number in previous:
        signal.signal(number, handle)

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    return restore
