"""The golden set: a labelled batch that models are judged on and never trained on. It is added to, and never changed.

`<folder>/` holds `manifest.csv` and `images/`, each named by its decoded pixels: a photograph is in it once, whatever file it
comes in. The fact `added_at` of a row says when it came. A manifest that somebody put there by hand is as good.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from models import durable
from models.errors import DataError
from models.grades import GRADES
from models.labelled import MANIFEST, LabelledImage, manifest_writer, read_manifest
from models.places import Places
from training.kept import ASIDE, IMAGES, encoded, require_cucumbers
from training.sources import LabelledSet, Sample
from training.sources.folders import FRUIT, is_batch, read_batch

ADDED_AT: Final = "added_at"
"""The fact of a row that tells when it came, RFC 3339, UTC; empty where somebody made the manifest by hand."""
ATTRIBUTION: Final = "attribution"
"""The fact that names whom to name wherever the photograph is shown."""
DIGESTS_FILE: Final = "digests.json"
_NAMED: Final = 3
"""So many photographs an error names."""


class Contradiction(BaseModel):
    """A photograph that was not added: the same picture has another grade, in the golden set or in the set that was given."""

    model_config = ConfigDict(frozen=True)

    name: str
    grade: str
    other: str
    """The same picture: its path in the golden set, or its name in the set that was given."""
    other_grade: str
    in_golden: bool


class GoldenGrowth(BaseModel):
    """What became of every photograph of the set that was given: `added + already + len(refused)` is their number."""

    model_config = ConfigDict(frozen=True)

    added: int
    already: int
    """In the golden set before, or twice in the set that was given."""
    refused: tuple[Contradiction, ...] = ()
    images: int
    """In the golden set now."""


class Addition(BaseModel):
    """One line of the history: photographs that came together."""

    model_config = ConfigDict(frozen=True)

    added_at: str
    """RFC 3339, UTC; empty where nobody noted it."""
    source: str
    added: int
    counts: dict[str, int]
    """Photographs by grade."""


class _Known(BaseModel):
    """Pixels of a file as it was."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    mtime_ns: int
    width: int
    height: int
    digest: str


class _Digests(BaseModel):
    """`digests.json`, so that 10,000 photographs are not decoded for each training. It may be deleted."""

    model_config = ConfigDict(frozen=True)

    images: dict[str, _Known]


class Golden:
    """The golden set in a folder; nothing is there before the first `add`."""

    def __init__(self, folder: Path | None = None) -> None:
        """Without `folder`, the one in SENKA_HOME. Raises InvalidSetting."""
        self.folder = folder or Places.load().golden

    @property
    def exists(self) -> bool:
        return is_batch(self.folder)

    def data(self) -> LabelledSet:
        """The golden photographs. Raises DataError where there are none yet, and as any labelled batch."""
        self._require()
        found = read_batch(self.folder)
        return replace(found, attribution="; ".join(sorted({row.facts.get(ATTRIBUTION, "") for row in self._rows()} - {""})))

    def history(self) -> tuple[Addition, ...]:
        """How it grew, oldest first. Raises DataError where there is none yet."""
        self._require()
        together: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in self._rows():
            together[row.facts.get(ADDED_AT, ""), row.source].append(row.grade)
        return tuple(
            Addition(added_at=at, source=source, added=len(grades), counts={g: grades.count(g) for g in GRADES if g in grades})
            for (at, source), grades in sorted(together.items())
        )

    def add(self, data: LabelledSet, advance: Callable[[int], None] | None = None) -> GoldenGrowth:
        """Add the photographs of a set that are not in it yet, with their lots and fruit (the fact `fruit`).

        The manifest is rewritten in one step: a writer that is killed leaves the old one. A photograph is told by its pixels.
        One whose grade contradicts the golden set's, or that of the same photograph in the set, is refused. `advance` hears of
        each photograph read. Raises DataError for a set that is empty or not of cucumbers, and naming an unreadable photograph.
        """
        require_cucumbers(data)
        digests = _digests(data.samples, advance)  # before the lock, and before anything is written: all can be read
        self.folder.mkdir(parents=True, exist_ok=True)
        with durable.locked(self.folder / ".lock"):
            self._sweep()
            rows = self._rows()
            known = self._known()
            golden = {known[row.path].digest: row for row in rows}
            new, already, refused = _judged(data, digests, golden)
            if new:
                rows += self._store(data, new)
                self._write(rows)
                self._known()  # cached now, not when a training waits for it
        return GoldenGrowth(added=len(new), already=already, refused=refused, images=len(rows))

    def require_unseen(self, data: LabelledSet) -> None:
        """Raise DataError where photographs of `data` are golden ones, by their pixels; nothing where there is no golden set."""
        if found := self._found(data):
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise DataError(
                f"{len(found)} of {len(data)} photographs of {data.name} are in the golden set {self.folder} ("
                f"{', '.join(found[:_NAMED])}{more}): a model that is trained on them cannot be judged by it. Leave them out: "
                f"senka intake --data SOURCE --golden {self.folder} --out DIR writes a batch without them.",
                golden=str(self.folder),
                photographs=list(found),
            )

    def without(self, data: LabelledSet) -> tuple[LabelledSet, tuple[str, ...]]:
        """The set without golden photographs, which may leave nothing, and the names of those that were left out.

        Where any were, the set's `parts` no longer describe it and go.
        """
        found = self._found(data)
        if not found:
            return data, ()
        dropped = set(found)
        return replace(data, samples=tuple(s for s in data.samples if s.name not in dropped), parts=()), found

    def _found(self, data: LabelledSet) -> tuple[str, ...]:
        """Names of the golden photographs of a set."""
        if not self.exists:
            return ()
        known = self._known().values()
        digests, sizes = {one.digest for one in known}, {(one.width, one.height) for one in known}
        # Decoding is what costs: a picture of a size that no golden one has is told by its header.
        return tuple(s.name for s in data.samples if s.size() in sizes and s.pixel_digest() in digests)

    def _require(self) -> None:
        if not self.exists:
            raise DataError(
                f"There is no golden set yet in {self.folder}. Begin one with photographs that no model is trained on: "
                "senka golden add --data SOURCE.",
                golden=str(self.folder),
            )

    def _rows(self) -> list[LabelledImage]:
        return list(read_manifest(self.folder, GRADES)) if self.exists else []

    def _known(self) -> dict[str, _Known]:
        """Path inside the folder -> its pixels, for every row; decoded where the cache does not know the file as it is."""
        cache = self.folder / DIGESTS_FILE
        try:
            before = _Digests.model_validate_json(cache.read_bytes()).images
        except (OSError, ValidationError):  # it is made anew
            before = {}
        found: dict[str, _Known] = {}
        for row in self._rows():
            facts = (self.folder / row.path).stat()
            one = before.get(row.path)
            if one is None or (one.bytes, one.mtime_ns) != (facts.st_size, facts.st_mtime_ns):
                sample = Sample(row.path, row.grade, path=self.folder / row.path)
                width, height = sample.size()
                digest = sample.pixel_digest()
                one = _Known(bytes=facts.st_size, mtime_ns=facts.st_mtime_ns, width=width, height=height, digest=digest)
            found[row.path] = one
        if found != before:
            with suppress(OSError):  # a golden set that may only be read serves as well, slowly
                durable.replace(cache, _Digests(images=found).model_dump_json().encode(), self._aside())
        return found

    def _store(self, data: LabelledSet, new: dict[str, Sample]) -> list[LabelledImage]:
        """Write the images, which no manifest names yet, and return their rows."""
        images = self.folder / IMAGES
        images.mkdir(exist_ok=True)
        fruit, at = data.declared_groups(), datetime.now(UTC).isoformat(timespec="microseconds")
        rows = []
        for digest, sample in new.items():
            content, suffix = encoded(sample)
            durable.write_durably(images / f"{digest}{suffix}", content)
            told = {FRUIT: fruit.get(sample.name, ""), ADDED_AT: at, ATTRIBUTION: data.attribution}
            facts = {name: value for name, value in told.items() if value}
            rows.append(LabelledImage(f"{IMAGES}/{digest}{suffix}", sample.grade, sample.lot, source=data.name, facts=facts))
        durable.sync_folder(images)
        durable.sync_folder(self.folder)
        return rows

    def _write(self, rows: Iterable[LabelledImage]) -> None:
        listed = list(rows)
        draft = self._aside()
        with manifest_writer(draft, tuple(dict.fromkeys(name for row in listed for name in row.facts))) as write:
            for row in listed:
                write(row)
        durable.replace(self.folder / MANIFEST, draft.read_bytes(), self._aside())
        draft.unlink()

    def _aside(self) -> Path:
        return self.folder / f"{ASIDE}{uuid.uuid4().hex}"

    def _sweep(self) -> None:
        for left in self.folder.glob(f"{ASIDE}*"):
            left.unlink(missing_ok=True)  # a cache that its writer has just put in place


def _judged(
    data: LabelledSet, digests: dict[str, str], golden: dict[str, LabelledImage]
) -> tuple[dict[str, Sample], int, tuple[Contradiction, ...]]:
    """What is new, by its pixels' digest, how many are known, and what contradicts."""
    alike: dict[str, list[Sample]] = defaultdict(list)
    for sample in sorted(data.samples, key=lambda one: one.name):
        alike[digests[sample.name]].append(sample)
    new: dict[str, Sample] = {}
    already, refused = 0, []
    for digest, samples in alike.items():
        row, grades = golden.get(digest), Counter(sample.grade for sample in samples)
        if row is None and len(grades) == 1:
            new[digest] = samples[0]
            already += len(samples) - 1
            continue
        for sample in samples:
            if row and sample.grade == row.grade:
                already += 1
                continue
            # Of two labels of one photograph nobody knows which is right: neither is golden.
            other = next((s for s in samples if s.grade != sample.grade), sample)
            place, grade = (row.path, row.grade) if row else (other.name, other.grade)
            refused.append(
                Contradiction(name=sample.name, grade=sample.grade, other=place, other_grade=grade, in_golden=row is not None)
            )
    return new, already, tuple(refused)


def _digests(samples: Iterable[Sample], advance: Callable[[int], None] | None) -> dict[str, str]:
    found = {}
    for sample in samples:
        found[sample.name] = sample.pixel_digest()
        if advance:
            advance(1)
    return found
