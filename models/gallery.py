"""Galleries on disk: pictures and figures of what a published model has learned, made once for each version.

`<root>/<sha256 of the model>/` holds `gallery.json` and the files that it names; every path in it is relative to that folder.
A gallery is written aside and comes into place in one step, so a reader sees the old one or the new one, whole. The folder is
a link to the one that was written, because no folder that holds files can be replaced by another in one step. Loads no torch.
"""

import os
import shutil
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from models.durable import locked, sync_folder
from models.errors import ExplainError

GALLERY_FILE: Final = "gallery.json"
FORMAT: Final = 1
MEDIA_TYPES: Final = {".json": "application/json", ".png": "image/png", ".npz": "application/octet-stream"}
"""What a gallery may hold, by suffix; nothing else in its folder is ever handed out."""

Share = float
"""0..1."""


class GalleryNotMade(ExplainError):
    code = "gallery_not_made"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"No gallery of version {version} has been made. Make it: senka gallery --model {version} --data SOURCE.",
            version=version,
        )


class GalleryUnreadable(ExplainError):
    code = "gallery_unreadable"

    def __init__(self, version: int, reason: str) -> None:
        super().__init__(
            f"The gallery of version {version} cannot be read ({reason}). Make it again: senka gallery --model {version} "
            "--data SOURCE.",
            version=version,
            reason=reason,
        )


class GalleryFileMissing(ExplainError):
    code = "gallery_file_not_found"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The gallery has no file {path[:200]!r}. GET /v1/explain/gallery names its files; after `senka gallery` ran again "
            "they are others.",
            path=path[:200],
        )


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ModelOf(_Part):
    name: str
    version: int
    sha256: str


class DataOf(_Part):
    """The photographs that a gallery was made with."""

    name: str
    sha256: str
    images: int
    attribution: str = ""


class Autocorrelation(_Part):
    """Of neighbouring weights in a layer's filters: near 0 for noise, towards 1 for smooth structure."""

    trained: float
    random: float
    """Mean over draws of random weights of the same shape."""
    random_std: float | None = None
    """Standard deviation over these draws."""


class TopPhotograph(_Part):
    """One of the photographs that drive a channel highest."""

    crop: str
    photograph: str
    activation: float
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels of the network's input: the receptive field of the strongest place, cut at the borders."""
    deconvolution: str | None = None


class Channel(_Part):
    index: int
    image: str | None = None
    """The picture that drives it highest, by activation maximization."""
    frames: tuple[str, ...] = ()
    objective: tuple[float, ...] = ()
    """After each step."""
    top: tuple[TopPhotograph, ...] = ()
    mean: float | None = None
    maximum: float | None = None
    active_share: Share | None = None
    """Of all places in all photographs, those where it is above 0."""
    weights_to_grades: dict[str, float] | None = None


class GalleryLayer(_Part):
    name: str
    kind: str
    shape: tuple[int, ...]
    receptive_px: int | None = None
    stride_px: int | None = None
    filters: str | None = None
    filters_of: str | None = None
    """The convolution whose filters are shown: of a block of several, the one with the largest kernel."""
    maps_of: str | None = None
    """The layer that the channels are of: the ReLU behind a convolution, where it has one."""
    autocorrelation: Autocorrelation | None = None
    dead: tuple[int, ...] | None = None
    """Channels that no photograph activates; None without photographs."""
    contribution: Literal["weights", "gradient_x_activation"] | None = None
    """What `weights_to_grades` are: weights of the last layer, or logits that the channel adds, averaged over photographs."""
    channels: tuple[Channel, ...] = ()


class MethodTrust(_Part):
    """Area under the curve of the grade's probability while the pixels of a map are put in or taken out, strongest first."""

    name: str
    shows: Literal["reasons", "features"]
    insertion: float
    deletion: float
    random_insertion: float
    """Of random maps of the same resolution."""
    random_deletion: float
    randomization_correlation: float
    """Rank correlation with the map after the last layer's weights were drawn anew: near 1, it does not depend on them."""


class Spurious(_Part):
    """Is it the fruit, or the background? `models.explain.spurious` says what each figure is."""

    images: int
    fruit_share: Share | None
    fruit_area: Share
    """`fruit_share` of a map that knows nothing."""
    fruit_share_most: Share | None = None
    """The most that `fruit_share` could be in maps as coarse as these."""
    kept_when_background_swapped: Share
    kept_when_light_swapped: Share
    kept_when_pasted_back: Share
    follows_background: Share
    accuracy: Share | None
    accuracy_background_swapped: Share | None
    accuracy_light_swapped: Share | None


class Trust(_Part):
    images: int
    """So many photographs the methods were tried on."""
    methods: tuple[MethodTrust, ...] = ()
    spurious: Spurious | None = None
    """None where fewer than two photographs show a fruit."""


class ErrorItem(_Part):
    image: str
    true: str
    predicted: str
    confidence: float
    name: str = ""


class Errors(_Part):
    """Every misclassified photograph, most confident first; `count` is the off-diagonal sum of `confusion`."""

    images: int
    count: int
    grades: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    items: tuple[ErrorItem, ...] = ()


class NeighboursOf(_Part):
    embeddings: str
    """NPZ: `embeddings` (N, D) float32, `grades` (N,) text."""
    thumbnails: str
    """A format with `index`, such as thumbnails/{index:05d}.png."""
    count: int
    of: int
    """So many photographs there were; above the most that are kept, they were drawn by the seed."""


class Gallery(_Part):
    """`gallery.json`. A part is None where what it needs was not given, photographs most often."""

    format: Literal[1] = FORMAT
    id: str
    """New each time a gallery is made."""
    model: ModelOf
    architecture: str
    made_at: str
    """RFC 3339, UTC."""
    seconds: float
    """How long it took."""
    seed: int
    data: DataOf | None = None
    layers: tuple[GalleryLayer, ...] = ()
    trust: Trust | None = None
    errors: Errors | None = None
    neighbours: NeighboursOf | None = None


@dataclass(frozen=True, slots=True)
class NeighbourIndex:
    """The photographs that a query is compared with."""

    embeddings: npt.NDArray[np.float32]
    """(N, D)."""
    grades: tuple[str, ...]
    thumbnails: str

    def thumbnail(self, index: int) -> str:
        """Path inside the gallery."""
        return self.thumbnails.format(index=index)


class Galleries:
    """The galleries under one folder, found by the sha256 of the model's file. Nothing is created before the first is made."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, sha256: str) -> Path:
        """Where the gallery of a model stands, or would."""
        return self.root / sha256

    def id_of(self, sha256: str) -> str:
        """`id` of the gallery in place, from the name of its folder alone; empty where there is none."""
        _, _, made_id = self.folder(sha256).resolve().name.rpartition("-")
        return made_id

    def read(self, sha256: str, version: int) -> Gallery:
        """Raises GalleryNotMade, GalleryUnreadable; `version` is for their words."""
        try:
            return Gallery.model_validate_json((self.folder(sha256) / GALLERY_FILE).read_bytes())
        except FileNotFoundError as error:
            raise GalleryNotMade(version) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or GALLERY_FILE
            raise GalleryUnreadable(version, f"{where}: {first['msg']}") from error
        except OSError as error:
            raise GalleryUnreadable(version, error.strerror or type(error).__name__) from error

    def neighbours(self, sha256: str, version: int) -> NeighbourIndex | None:
        """The embeddings of a gallery that was made with photographs, else None. Raises as `read`."""
        found = self.read(sha256, version).neighbours
        if found is None:
            return None
        try:
            with np.load(self.folder(sha256) / found.embeddings, allow_pickle=False) as arrays:
                return NeighbourIndex(
                    arrays["embeddings"].astype(np.float32), tuple(map(str, arrays["grades"])), found.thumbnails
                )
        except (OSError, ValueError, KeyError, BadZipFile, zlib.error) as error:
            raise GalleryUnreadable(version, f"{found.embeddings}: {error}") from error

    def file(self, sha256: str, version: int, path: str) -> Path:
        """A file of a gallery by its path in `gallery.json`, resolved. Nothing outside of the folder and no other kind of file.

        Raises GalleryNotMade, GalleryFileMissing.
        """
        folder = self.folder(sha256)
        if not (folder / GALLERY_FILE).is_file():
            raise GalleryNotMade(version)
        wanted = PurePosixPath(path)
        hidden = any(part.startswith(".") for part in wanted.parts)
        if wanted.is_absolute() or hidden or "\\" in path or "\0" in path or wanted.suffix not in MEDIA_TYPES:
            raise GalleryFileMissing(path)
        try:
            found = (folder / wanted).resolve()
            inside = found.is_relative_to(folder.resolve()) and found.is_file()
        except OSError as error:  # a name longer than the file system allows
            raise GalleryFileMissing(path) from error
        if not inside:
            raise GalleryFileMissing(path)
        return found

    @contextmanager
    def making(self, sha256: str) -> Iterator[tuple[Path, str]]:
        """An empty folder to write a gallery into, and the `id` of it; in place, whole, once the block ends without an error.

        One process at a time makes the gallery of a model. What killed ones left is swept first.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / f".lock-{sha256}"):
            place, made_id = self.folder(sha256), uuid.uuid4().hex
            self._sweep(sha256)
            aside = self.root / f".made-{sha256}-{made_id}"
            aside.mkdir()
            link = self.root / f".link-{sha256}-{made_id}"
            try:
                yield aside, made_id
                os.sync()  # thousands of small pictures: once for all, not once for each
                link.symlink_to(aside.name, target_is_directory=True)
                if place.is_dir() and not place.is_symlink():  # copied from elsewhere, its link resolved
                    place.rename(self.root / f".made-{sha256}-copied")
                link.replace(place)
            except BaseException:
                link.unlink(missing_ok=True)
                shutil.rmtree(aside, ignore_errors=True)
                raise
            sync_folder(self.root)
            self._sweep(sha256)

    def _sweep(self, sha256: str) -> None:
        """Remove what nothing refers to; call it under the model's lock."""
        current = self.folder(sha256).resolve()
        for left in self.root.glob(f".link-{sha256}-*"):
            left.unlink()
        for left in self.root.glob(f".made-{sha256}-*"):
            if left.resolve() != current:
                shutil.rmtree(left)
