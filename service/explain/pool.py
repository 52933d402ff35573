"""Worker processes that explain: one job at a time each, killed at the deadline, replaced when they die.

Nothing is started before the first job: a service that only grades never pays for torch. A fork server then loads it once
(`preload`), and every worker, also one in the place of a killed one, is a fork of it.
"""

import logging
import multiprocessing
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

from models.errors import SenkaError
from service.errors import Draining, ExplanationFailed, ExplanationsUnavailable, ExplanationTimeout, TooManyExplanations
from service.explain import entry
from service.explain.jobs import Job

log = logging.getLogger(__name__)

READY_WITHIN_S: Final = 60.0
"""For a worker to load torch and a model; counted apart from a job's deadline, so that the first request is not blamed for it."""
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_STARTING: Final = threading.Lock()
"""multiprocessing keeps its list of children without a lock, and one fork server for the whole process."""
_POOLS: Final[set["ExplainPool"]] = set()
"""Those with workers: without the fork server nobody would learn how a worker ended."""


@dataclass(slots=True, eq=False)
class _Entry:
    job: Job
    deadline_s: float
    future: Future[Any] = field(default_factory=Future)


class ExplainPool:
    """`workers` processes of `threads` threads each, and at most `max_queue` jobs waiting for them.

    `workers` 0 refuses every job. `started` counts the processes started so far.
    """

    def __init__(self, workers: int, max_queue: int, threads: int = 1) -> None:
        self._workers, self._max_queue, self._threads = workers, max_queue, threads
        self._queue: deque[_Entry] = deque()
        self._changed = threading.Condition()
        self._feeders: list[threading.Thread] = []
        self._missing: ExplanationsUnavailable | None = None
        self._closing = False
        self._processes: set[_Worker] = set()
        self.started = 0

    def require(self) -> None:
        """Raise at once what `submit` would raise: ExplanationsUnavailable, TooManyExplanations, Draining."""
        if self._workers == 0:
            raise ExplanationsUnavailable("SENKA_EXPLAIN_WORKERS is 0; set it to 1 and start the service again.")
        if self._closing:
            raise Draining
        if find_spec("torch") is None:
            raise ExplanationsUnavailable.missing("torch")
        if self._missing:
            raise self._missing
        with self._changed:
            if len(self._queue) >= self._max_queue:
                self._queue = deque(entry for entry in self._queue if not entry.future.cancelled())
            if len(self._queue) >= self._max_queue:
                raise TooManyExplanations(len(self._queue))

    def submit(self, job: Job, deadline_s: float) -> Future[Any]:
        """The future of the worker's answer; cancel it when nobody wants it any more. `deadline_s` counts from when a worker
        that has the model begins.

        Raises as `require`. The future raises what the job raised, ExplanationTimeout, ExplanationFailed where the worker died.
        """
        self.require()
        waiting = _Entry(job, deadline_s)
        with self._changed:
            self._queue.append(waiting)
            if not self._feeders:
                self._feeders = [
                    threading.Thread(target=self._feed, name=f"explain-{number}", daemon=True) for number in range(self._workers)
                ]
                for feeder in self._feeders:
                    feeder.start()
            self._changed.notify()
        return waiting.future

    def stop(self) -> None:
        """Refuse new jobs, fail those waiting and running with Draining, kill the workers. Returns at once."""
        with self._changed:
            self._closing = True
            for waiting in self._queue:
                if waiting.future.set_running_or_notify_cancel():
                    waiting.future.set_exception(Draining())
            self._queue.clear()
            for worker in self._processes:
                worker.process.kill()
            self._changed.notify_all()

    def close(self) -> None:
        """`stop`, and wait until no process and no thread is left."""
        self.stop()
        for feeder in self._feeders:
            feeder.join()
        with _STARTING:
            _POOLS.discard(self)
            if self.started and not _POOLS:
                # Now, not some time after this process. What multiprocessing calls its resource tracker ends with the process.
                forkserver._forkserver._stop()  # type: ignore[attr-defined]

    def _feed(self) -> None:
        worker: _Worker | None = None
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    self._changed.wait()
                if self._closing:
                    break
                waiting = self._queue.popleft()
            if not waiting.future.set_running_or_notify_cancel():  # its client went away
                continue
            try:
                worker = worker or self._start()
                answer = worker.ask(waiting.job, waiting.deadline_s)
            except SenkaError as error:
                if isinstance(error, ExplanationsUnavailable):
                    self._missing = error  # another worker would miss the same
                if worker is not None and worker.lost:
                    self._end(worker)
                    worker = None if self._missing else self._another()
                waiting.future.set_exception(Draining() if self._closing else error)
            except Exception as error:  # a bug of ours, or no memory: the next question gets a new worker, not this thread's end
                log.exception("an explanation failed")
                if worker is not None:
                    self._end(worker)
                worker = None
                waiting.future.set_exception(ExplanationFailed(f"{type(error).__name__}: {error}"))
            else:
                waiting.future.set_result(answer)
        if worker:
            self._end(worker)

    def _start(self) -> "_Worker":
        try:
            with _STARTING:
                _POOLS.add(self)
                _CONTEXT.set_forkserver_preload([entry.PRELOAD])
                worker = _Worker(self._threads)
        except (OSError, EOFError) as error:  # out of memory or of processes
            raise ExplanationFailed(f"no worker process could be started: {error}") from error
        with self._changed:
            self.started += 1
            self._processes.add(worker)
            if self._closing:
                worker.process.kill()
        return worker

    def _another(self) -> "_Worker | None":
        """A worker at once, not only when the next job comes."""
        try:
            return None if self._closing else self._start()
        except ExplanationFailed as error:
            log.error("%s", error)
            return None

    def _end(self, worker: "_Worker") -> None:
        with self._changed:
            self._processes.discard(worker)
        worker.end()


class _Worker:
    """One process and the connection to it."""

    def __init__(self, threads: int) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self.process: ForkServerProcess = _CONTEXT.Process(target=entry.main, args=(theirs, threads), daemon=True)
        self.process.start()
        theirs.close()
        self.lost = False
        """It was killed, or died: it takes no further job."""

    def ask(self, job: Job, deadline_s: float) -> Any:
        """Raises what the job raised, ExplanationTimeout after killing the process, ExplanationFailed where it died."""
        try:
            self.connection.send(job)
            self._receive(READY_WITHIN_S, "ready")
            return self._receive(deadline_s, "done")
        except (EOFError, OSError) as error:
            self.lost = True
            self.process.join(1)
            code = self.process.exitcode
            log.error("an explanation worker died (exit code %s) on %s", code, type(job).__name__)
            raise ExplanationFailed(f"its worker process died (exit code {code})") from error

    def _receive(self, within_s: float, awaited: str) -> Any:
        if not self.connection.poll(within_s):
            self.lost = True
            self.process.kill()
            if awaited == "ready":
                raise ExplanationFailed(f"the model could not be loaded within {within_s:g} s, for the machine is busy")
            raise ExplanationTimeout(within_s)
        kind, content = self.connection.recv()
        if kind == awaited:
            return content
        if kind == "refused":
            raise content
        if kind == "missing":
            self.lost = True
            raise ExplanationsUnavailable.missing(content)
        log.error("an explanation failed:\n%s", content)
        raise ExplanationFailed(content.strip().splitlines()[-1][:200])

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()
        self.process.close()
