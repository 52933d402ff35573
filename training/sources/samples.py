"""A labelled photograph and a set of them: what every source yields and everything after it (intake, splits, training) reads."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from models.card import TrainingData
from models.errors import DataError, ImageError
from models.grades import GRADES
from models.imaging import Pixels, decode_whole, encode_png, read_header
from models.preprocess import PreprocessSpec

Split = Literal["train", "test", "all"]
"""A part of a source; a source without parts gives everything for each of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One labelled photograph: either its `pixels` or the `path` of the encoded file, never both.

    Two samples are the same only if they are the same object; compare `digest()` for equal content.
    """

    name: str
    """Stable and unique inside its source: "data_batch_1#17", or a path relative to the source's folder."""
    grade: str
    pixels: Pixels | None = None
    """(H, W, 3) uint8 RGB."""
    path: Path | None = None
    """An encoded photograph (JPEG, PNG, WebP or BMP)."""
    group: str = ""
    """Samples of one group (one fruit, photographed several times) must not straddle a split; its own name by default."""
    views: Mapping[str, Pixels] = field(default_factory=dict)
    """Further views of the same fruit, each (H, W, 3) uint8 RGB: "below" and "side" where the source has them."""
    lot: str = ""
    """The delivery that the fruit came in, where the source says so."""

    def __post_init__(self) -> None:
        if (self.pixels is None) == (self.path is None):
            raise ValueError(f"sample {self.name!r} needs either pixels or a path")
        if not self.group:
            object.__setattr__(self, "group", self.name)

    def network_input(self, spec: PreprocessSpec) -> Pixels:
        """The network input, (spec.height, spec.width, 3) uint8 RGB. Raises DataError naming the file that cannot be read."""
        if self.pixels is not None:
            return spec.from_pixels(self.pixels)
        data = self._bytes()
        try:
            return spec.from_bytes(data)
        except ImageError as error:
            raise self._unreadable(error) from error

    def whole(self) -> Pixels:
        """The whole photograph, (H, W, 3) uint8 RGB, upright. Raises DataError naming the file that cannot be read."""
        if self.pixels is not None:
            return self.pixels
        data = self._bytes()
        try:
            return decode_whole(data)
        except ImageError as error:
            raise self._unreadable(error) from error

    def size(self) -> tuple[int, int]:
        """Width and height of the upright photograph in pixels, by its header. Raises DataError naming the unreadable file."""
        if self.pixels is not None:
            return self.pixels.shape[1], self.pixels.shape[0]
        data = self._bytes()
        try:
            header = read_header(data)
        except ImageError as error:
            raise self._unreadable(error) from error
        return header.width, header.height

    def digest(self) -> str:
        """sha256 of the content, hexadecimal: the file's bytes, or shape and pixels with those of every further view."""
        if self.pixels is None:
            return hashlib.sha256(self._bytes()).hexdigest()
        content = hashlib.sha256()
        for name, pixels in (("", self.pixels), *sorted(self.views.items())):
            content.update(f"{name}{pixels.shape}".encode())  # the shape too: 2 x 8 and 4 x 4 pixels may have the same bytes
            content.update(pixels.tobytes())
        return content.hexdigest()

    def pixel_digest(self) -> str:
        """sha256 of the decoded photograph, hexadecimal: the same for an array, a PNG of it and any other lossless file.

        Raises DataError naming the file that cannot be read.
        """
        pixels = self.whole()
        content = hashlib.sha256(str(pixels.shape).encode())  # the shape too: 2 x 8 and 4 x 4 pixels may have the same bytes
        content.update(pixels.tobytes())
        return content.hexdigest()

    def encoded(self) -> bytes:
        """The encoded photograph: the file byte for byte, pixels as PNG. Raises DataError naming a file that cannot be read."""
        return self._bytes() if self.pixels is None else encode_png(self.pixels)

    def _bytes(self) -> bytes:
        if self.path is None:
            raise ValueError(f"sample {self.name!r} has no file")
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> DataError:
        return DataError(f"{self.path} cannot be read: {error}", path=str(self.path), sample=self.name)


@dataclass(frozen=True)
class LabelledSet:
    """Labelled photographs of one source or several. Raises DataError where two samples share a name."""

    name: str
    samples: tuple[Sample, ...]
    attribution: str = ""
    """Whom to name wherever an image of the set is shown; empty where nobody asks for it."""
    parts: tuple[TrainingData, ...] = ()
    """The sources that it was merged from; empty for a set of one source. Whoever leaves samples out replaces them too."""

    def __post_init__(self) -> None:
        names = Counter(sample.name for sample in self.samples)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise DataError(f"{self.name} lists {', '.join(twice[:10])} more than once; list each photograph once.", names=twice)

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The grades that occur, in canonical order: that of GRADES for cucumbers, sorted for others such as digits."""
        present = {sample.grade for sample in self.samples}
        return (*(grade for grade in GRADES if grade in present), *sorted(present.difference(GRADES)))

    def counts(self) -> dict[str, int]:
        """Samples of each grade, in the order of `labels`."""
        counted = Counter(sample.grade for sample in self.samples)
        return {grade: counted[grade] for grade in self.labels}

    @cached_property
    def sha256(self) -> str:
        """sha256 over name, grade, group and content of every sample, hexadecimal; their order does not matter."""
        content = hashlib.sha256()
        for entry in sorted((sample.name, sample.grade, sample.group, sample.digest()) for sample in self.samples):
            content.update(json.dumps(entry).encode() + b"\n")  # JSON: no two lists of names can be written alike
        return content.hexdigest()

    def about(self) -> tuple[TrainingData, ...]:
        """What a model's card says of the set: an entry for each of its `parts`, or one of the set itself."""
        return self.parts or (self.described(),)

    def described(self) -> TrainingData:
        """The set as a whole, whatever it was merged from."""
        return TrainingData(name=self.name, sha256=self.sha256, images=len(self), counts=self.counts())

    def declared_groups(self) -> dict[str, str]:
        """Sample's name -> group, of the samples whose group is more than their own name: a source declared it."""
        sizes = Counter(sample.group for sample in self.samples)
        return {s.name: s.group for s in self.samples if s.group != s.name or sizes[s.group] > 1}

    @classmethod
    def merged(cls, sets: Iterable[Self]) -> Self:
        """Several sets as one; a single set is returned as it is.

        Names get their source's name in front. A group that a source declared keeps its own name, so that the same fruit in two
        sources stays together; where two sources count their fruit alike, that only makes groups coarser, never leaks.
        Each source stands in `parts`. Raises DataError for no set at all, and for cucumbers among other things.
        """
        listed = list(sets)
        if not listed:
            raise DataError("No source of labelled images was given; name at least one.")
        if len(listed) == 1:
            return listed[0]
        cucumbers = {source.name for source in listed if any(label in GRADES for label in source.labels)}
        others = {source.name for source in listed if any(label not in GRADES for label in source.labels)}
        if cucumbers and others:
            raise DataError(
                f"{', '.join(sorted(cucumbers))} hold grades of cucumbers, {', '.join(sorted(others))} do not; use them apart.",
                cucumbers=sorted(cucumbers),
                others=sorted(others),
            )
        samples: list[Sample] = []
        for prefix, source in zip(_unique(source.name for source in listed), listed, strict=True):
            for sample in source.samples:
                name = f"{prefix}/{sample.name}"
                samples.append(replace(sample, name=name, group=name if sample.group == sample.name else sample.group))
        names = "+".join(source.name for source in listed)
        attribution = "; ".join(sorted({source.attribution for source in listed} - {""}))
        return cls(names, tuple(samples), attribution, tuple(part for source in listed for part in source.about()))


def _unique(names: Iterable[str]) -> list[str]:
    """The same names, those that came before with a number: two folders may well be called "batch"."""
    taken: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name}~{number}"
        taken.append(candidate)
    return taken
