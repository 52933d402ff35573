"""Damaged input by the million: python -m tests.reliability.fuzz --inputs 1000000 [--target NAME] [--seed N]

Every target of tests/fuzz gets mutants of good input, and may raise nothing but the exceptions it documents. Each runs in a
process of its own with little memory, so that a reader that crashes the interpreter, hangs or fills the memory is a finding
too. Findings are made smaller and kept in tests/fuzz/corpus, where the tests try them again. Prints one JSON object; exit
code 1 when anything was found.
"""

import argparse
import json
import mmap
import multiprocessing
import os
import random
import resource
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import psutil

from tests.fuzz.mutate import MAX_BYTES, mutant
from tests.fuzz.target import CORPUS, Target, where
from tests.fuzz.targets import open_targets

CPU_S_EACH: Final = 5.0
"""An input that takes longer than this is a finding."""
MEMORY_BYTES: Final = 2**30
"""What a target may take beyond what it has at the start."""
_POOL: Final = 300
_SMALLER_TRIES: Final = 400
_COUNTS: Final = struct.Struct("<QQQQ")  # inputs so far, taken, refused, bytes of the input at hand


class TooSlow(BaseException):
    """No reader may catch it as its own."""


@dataclass
class Tally:
    """What came of the inputs of one target."""

    inputs: int = 0
    taken: int = 0
    refused: int = 0
    seconds: float = 0.0
    failed: int = 0
    findings: list[str] = field(default_factory=list)
    """Each place where something else came out, once."""


class Board:
    """Memory that outlives a process which crashes: its counts and the input it had at hand."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNTS.size + MAX_BYTES * 2)

    def note(self, inputs: int, taken: int, refused: int, data: bytes) -> None:
        _COUNTS.pack_into(self._memory, 0, inputs, taken, refused, len(data))
        self._memory[_COUNTS.size : _COUNTS.size + len(data)] = data

    def read(self) -> tuple[int, int, int, bytes]:
        inputs, taken, refused, length = _COUNTS.unpack_from(self._memory)
        return inputs, taken, refused, self._memory[_COUNTS.size : _COUNTS.size + length]


def fuzz(
    name: str, inputs: int, seed: int, corpus: Path, open_all: Callable[[], Any] = open_targets, cpu_s: float = CPU_S_EACH
) -> Tally:
    """Feed one target, in as many processes as it crashes; its findings are kept in `corpus`."""
    tally, began, crashes = Tally(), time.monotonic(), 0
    context = multiprocessing.get_context("fork")
    while tally.inputs < inputs:
        board, (ours, theirs) = Board(), context.Pipe(duplex=False)
        arguments = (name, inputs - tally.inputs, seed + crashes, corpus, board, theirs, open_all, cpu_s)
        process = context.Process(target=_feed_many, args=arguments)
        process.start()
        theirs.close()
        process.join()
        while ours.poll():
            try:
                place = ours.recv()
            except EOFError:
                break
            if place not in tally.findings:
                tally.findings.append(place)
        done, taken, refused, data = board.read()
        tally.taken, tally.refused = tally.taken + taken, tally.refused + refused
        if process.exitcode == 0:
            tally.inputs += done
            break
        crashes += 1
        if not data:
            raise RuntimeError(f"{name} could not be opened; exit code {process.exitcode}")
        tally.inputs += done + 1
        code = process.exitcode or 0
        place = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if place not in tally.findings:
            tally.findings.append(place)
        keep(corpus, name, data)
    tally.failed = tally.inputs - tally.taken - tally.refused
    tally.seconds = time.monotonic() - began
    return tally


def keep(corpus: Path, name: str, data: bytes) -> Path:
    """Put an input into the corpus."""
    path = corpus / name / f"{sha256(data).hexdigest()[:16]}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def smaller(target: Target, data: bytes, place: str, tries: int = _SMALLER_TRIES) -> bytes:
    """A part of `data` that still fails at the same place."""
    size = len(data) // 2
    while size and tries > 0:
        at = 0
        while at < len(data) and tries > 0:
            less = data[:at] + data[at + size :]
            less = target.mend(less) if target.mend else less
            tries -= 1
            if _fails_at(target, less) == place:
                data = less
            else:
                at += size
        size //= 2
    return data


def _fails_at(target: Target, data: bytes) -> str | None:
    """Where it fails; None for what is taken or refused as documented."""
    try:
        target.try_input(data)
    except (Exception, TooSlow) as error:
        return where(error)
    return None


def _feed_many(
    name: str, inputs: int, seed: int, corpus: Path, board: Board, findings: Any, open_all: Callable[[], Any], cpu_s: float
) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    warnings.simplefilter("error")  # a reader that warns of hostile input fills a log
    signal.signal(signal.SIGVTALRM, _too_slow)
    limit = psutil.Process().memory_info().vms + MEMORY_BYTES
    chance = random.Random(seed)
    with open_all() as targets:
        target: Target = targets[name]
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        pool: list[bytes] = list(target.seeds)
        known: dict[str, int] = {}
        taken = refused = 0
        for number in range(inputs):
            data = mutant(chance, pool, target.tokens)
            if target.mend and chance.random() < 0.5:
                data = target.mend(data)[: 2 * MAX_BYTES]
            board.note(number, taken, refused, data)
            signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
            try:
                fine = target.try_input(data)
            except (Exception, TooSlow) as error:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                place = where(error)
                known[place] = known.get(place, 0) + 1
                if known[place] == 1:
                    findings.send(f"{place}: {str(error)[:120]}")
                    small = data if isinstance(error, TooSlow) else smaller(target, data, place)
                    keep(corpus, name, small)
                continue
            taken, refused = taken + fine, refused + (not fine)
            if fine and chance.random() < 0.02:  # what is taken leads on to what lies behind the first checks
                pool[len(target.seeds) :] = [*pool[len(target.seeds) :][-_POOL:], data]
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        board.note(inputs, taken, refused, b"")
    findings.close()


def _too_slow(*_: object) -> None:
    raise TooSlow


def shares(targets: Sequence[Target], inputs: int) -> dict[str, int]:
    """Inputs by target, `inputs` in all."""
    whole = sum(target.share for target in targets)
    found = {target.name: inputs * target.share // whole for target in targets}
    found[targets[0].name] += inputs - sum(found.values())
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--inputs", type=int, default=1_000_000)
    arguments.add_argument("--target", action="append", help="only this one; may be given several times")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--corpus", type=Path, default=CORPUS)
    chosen = arguments.parse_args()
    with open_targets() as opened:
        unknown = sorted(set(chosen.target or ()) - set(opened))
        if unknown:
            arguments.error(f"there is no target {', '.join(unknown)}; there are {', '.join(opened)}")
        wanted = shares(
            [target for target in opened.values() if not chosen.target or target.name in chosen.target], chosen.inputs
        )
    figures: dict[str, Any] = {}
    for name, count in wanted.items():
        tally = fuzz(name, count, chosen.seed, chosen.corpus)
        figures[name] = {**vars(tally), "seconds": round(tally.seconds, 1)}
        print(name, json.dumps(figures[name]), file=sys.stderr, flush=True)
    found = sum(len(figure["findings"]) for figure in figures.values())
    print(json.dumps({"inputs": sum(f["inputs"] for f in figures.values()), "findings": found, "targets": figures}))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
