"""The challenger in the shadow: it grades live photographs after the champion has, and nobody is ever answered with what it says.

All of it happens in one thread of each worker, which ranks below those that grade, takes one photograph at a time and rests
after each: it never costs more than a quarter of a core. Under load the waits for a core and for the interpreter make the time
that a photograph takes longer, and with it the rest.
"""

import contextlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Final

from models.errors import ImageError, SenkaError
from models.imaging import ImageHeader, Pixels, decode
from models.preprocess import PreprocessSpec
from models.repository import ModelRepository, Version
from service.decision import decide
from service.grading import Grading
from service.inference.session import LoadedModel
from service.metrics import SHADOW
from service.records.shadow import ShadowGrading, ShadowRecords
from service.settings import Settings

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
WAITING: Final = 8
"""Photographs that wait for the challenger; more are dropped."""
WAITING_BYTES: Final = 32 * 2**20
"""About so much of them, where the challenger wants its photographs prepared in another way."""
BUSY_DEPTH: Final = 2
"""While more photographs than this wait for the champion, none are offered to the challenger."""
RESTS: Final = 3.0
"""So many times as long as a photograph took."""
NICENESS: Final = 5
"""Little enough: a thread that holds the interpreter and gets no core at all would hold up those that grade."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A photograph that the champion graded. `pixels` is its network input under `spec`, (H, W, 3) uint8."""

    grading: Grading
    pixels: Pixels
    spec: PreprocessSpec
    data: bytes
    header: ImageHeader


class Shadow:
    """Follows the repository's challenger and grades what is offered with it; `records` gets each result.

    A challenger that cannot be loaded, or fails at a photograph, is put aside until its file changes or another takes its place.
    """

    def __init__(self, settings: Settings, repository: ModelRepository, records: ShadowRecords) -> None:
        self._settings, self._repository, self._records = settings, repository, records
        self._model: LoadedModel | None = None
        self._put_aside: tuple[int, int] | None = None
        self._unreadable = False
        self.former: int | None = None
        """The champion before, while it is compared with the one that was promoted: it grades in the challenger's place."""
        self.on_compared: Callable[[int, int, bool], None] = lambda champion, shadow, agree: None
        """Hears of each photograph that both graded: the two versions and whether they agree. Called in the shadow's thread."""
        self._waiting: SimpleQueue[Seen | None] = SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._dropped, self._failed = SHADOW.labels("dropped"), SHADOW.labels("failed")

    @property
    def challenger(self) -> Version | None:
        """What grades in the shadow now."""
        model = self._model
        return model.version if model else None

    def start(self) -> None:
        """Follow and grade from now on; without it `look`, `take` and `grade` do."""
        if self._settings.shadow_share > 0:
            self._records.start()
            self._thread.start()

    def close(self) -> None:
        """Stop after the photograph at hand and put on record what came of it; those that wait are forgotten."""
        self._closed.set()
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join()
        self._records.close()

    def offer(self, seen: Seen, waiting_for_champion: int) -> None:
        """Have the challenger grade it too, if there is one and time to spare. Never waits and never raises."""
        model = self._model
        if model is None or model.version.number == seen.grading.model.version:
            return
        if random.random() >= self._settings.shadow_share:
            return
        waiting = self._waiting.qsize()
        kept = seen if model.card.preprocess != seen.spec else replace(seen, data=b"")
        if waiting_for_champion > BUSY_DEPTH or waiting >= WAITING or len(kept.data) * (waiting + 1) > WAITING_BYTES:
            self._dropped.inc()
        else:
            self._waiting.put(kept)

    def look(self) -> None:
        """Load the repository's challenger if it is another one, or let go of the one that is none any more."""
        try:
            version = self._published()
        except (SenkaError, OSError) as error:
            if not self._unreadable:
                log.warning("the challenger in the model repository could not be read: %s", error)
            self._unreadable = True
            return
        self._unreadable = False
        if version is None or (self._model and self._model.version != version):
            self._model = None
        if version is None or self._model or (attempt := (version.number, _changed_at(version))) == self._put_aside:
            return
        try:
            data = self._repository.load(version)
            # One thread of its own: a pool's threads would not rank below the others.
            self._model = LoadedModel.load(data, version, self._settings.providers, threads=1)
        except Exception as error:  # whatever is wrong with a challenger, the champion grades on
            self._put_aside = attempt
            log.error("the challenger, version %d, was not loaded and grades nothing: %s", version.number, error)

    def take(self, within_s: float = 0.0) -> Seen | None:
        """What waits longest, if anything does or comes in time."""
        try:
            return self._waiting.get(timeout=within_s)
        except Empty:
            return None

    def grade(self, seen: Seen) -> None:
        """Grade it with the challenger, if there still is one. Never raises."""
        model = self._model
        if model is None:
            return
        try:
            pixels = seen.pixels if model.card.preprocess == seen.spec else _prepared(seen, model.card.preprocess)
            decision = decide(model.probabilities([pixels])[0], self._settings.manual_below)
        except ImageError:  # the photograph's fault, at the scale that this model wants
            self._failed.inc()
            return
        except Exception:
            self._failed.inc()
            self._put_aside = model.version.number, _changed_at(model.version)
            self._model = None
            log.exception("the challenger, version %d, failed at a photograph and is put aside", model.version.number)
            return
        grading = seen.grading
        if decision.grade is None or decision.confidence is None or grading.grade is None or grading.confidence is None:
            return
        agree = decision.grade == grading.grade
        SHADOW.labels("agree" if agree else "disagree").inc()
        self.on_compared(grading.model.version, model.version.number, agree)
        self._records.put(
            ShadowGrading(
                grading_id=grading.id,
                model_version=model.version.number,
                model_sha256=model.version.sha256,
                grade=decision.grade,
                confidence=decision.confidence,
                lane=decision.lane,
                at=datetime.now(UTC),
                champion_version=grading.model.version,
                champion_grade=grading.grade,
                champion_confidence=grading.confidence,
                champion_lane=grading.lane,
            )
        )

    def _published(self) -> Version | None:
        """The former champion while it is compared, else the challenger there is, as far as it could take a champion's place."""
        aliases = self._repository.aliases()
        number = self.former if self.former in aliases.history else aliases.challenger
        if number is None or number == aliases.champion:
            return None
        if self._model and self._model.version.number == number:  # a number never names another file
            return self._model.version
        return self._repository.get(number)

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # not on every system; a thread is a process to Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        next_look = 0.0
        while not self._closed.is_set():
            if time.monotonic() >= next_look:
                self.look()
                next_look = time.monotonic() + POLL_S
            seen = self.take(max(0.0, next_look - time.monotonic()))
            if seen is not None:
                began = time.monotonic()
                self.grade(seen)
                self._closed.wait(RESTS * (time.monotonic() - began))


def _prepared(seen: Seen, spec: PreprocessSpec) -> Pixels:
    """(H, W, 3) uint8, as another model wants it."""
    return spec.from_pixels(decode(seen.data, seen.header, spec.decode_size(seen.header.width, seen.header.height)))


def _changed_at(version: Version) -> int:
    """When the file changed last, ns: one that was mended is tried again. 0 where it is missing."""
    try:
        return version.path.stat().st_mtime_ns
    except OSError:
        return 0
