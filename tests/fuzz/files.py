"""Targets among the readers of files: photographs, archives, pickles, manifests, models and what is noted about them."""

import io
import itertools
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast
from zlib import crc32

import numpy as np
import onnxruntime as ort
from PIL import Image

from models.archives import ArchiveLimits, declared_bytes, extract_zip
from models.card import card_of, read_card
from models.containers import BROKEN, essential_png, jpeg_segments, orientation, stored_size
from models.errors import DataError, ImageError, InvalidBatch, InvalidCard, ModelNotFound, RepositoryUnreadable
from models.grades import GRADES
from models.imaging import ImageLimits, decode, read_header, sniff
from models.labelled import judge_manifest, read_manifest
from models.repository import ModelRepository
from tests.fuzz.target import BrokenPromise, Target
from tests.models.onnx_files import make_card
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.training.sources.archives import batch, python2_batch, rows
from training.sources import cucumber9, mnist, safe_pickle, safe_tar

LIMITS: Final = ImageLimits(max_pixels=20_000)
ARCHIVE_LIMITS: Final = ArchiveLimits(entries=50, total_bytes=2**20, entry_bytes=2**19, ratio=50, free_bytes=2**18)
MANIFEST: Final = b"path,grade,lot,camera,captured_at,labeller,source,length_px\r\n"


def file_targets(folder: Path) -> list[Target]:
    """All of them; `folder` is theirs to write to."""
    return [
        Target("images", _see_image, (ImageError,), photographs(), 9, mend=mend_png),
        Target("containers", _see_container, BROKEN, photographs(), 14, mend=mend_png),
        Target("pickles", _see_pickle, (DataError,), pickles(), 10, PICKLE_WORDS),
        _cucumber9(folder / "cucumber9"),
        _mnist(folder / "mnist"),
        _tars(folder / "tars"),
        _zips(folder / "zips"),
        _manifests(folder / "manifests"),
        Target("cards", _see_card, (InvalidCard,), cards(), 8),
        _onnx(folder / "onnx"),
        _repository(folder / "repository"),
    ]


def photographs() -> tuple[bytes, ...]:
    """Every format and the colour modes, orientations and ways of coding that each has."""
    coarse = Image.fromarray(np.random.default_rng(1).integers(0, 256, (6, 8, 3)).astype(np.uint8)).resize((24, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    saved: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (coarse, "JPEG", {"exif": exif}),
        (coarse, "JPEG", {"progressive": True}),
        (coarse.convert("L"), "JPEG", {"restart_marker_blocks": 1}),
        (coarse.convert("CMYK"), "JPEG", {"subsampling": 0}),
        (coarse, "PNG", {"exif": exif}),
        (coarse.convert("RGBA"), "PNG", {}),
        (coarse.convert("P"), "PNG", {"transparency": 3}),
        (coarse.convert("LA"), "PNG", {}),
        (coarse.convert("1"), "PNG", {}),
        (Image.fromarray(np.full((5, 5), 40_000, np.uint16)), "PNG", {}),
        (coarse, "WEBP", {"exif": exif}),
        (coarse.convert("RGBA"), "WEBP", {"lossless": True}),
        (coarse, "BMP", {}),
        (coarse.convert("P"), "BMP", {}),
        (coarse.convert("1"), "BMP", {}),
    ]
    found = []
    for image, kind, options in saved:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return tuple(found)


def mend_png(data: bytes) -> bytes:
    """Right checksums in every chunk of a PNG; other formats as they are."""
    if sniff(data) != "png":
        return data
    mended, at = bytearray(data), 8
    while at + 12 <= len(mended):
        length = int.from_bytes(mended[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(mended):
            break
        mended[end : end + 4] = crc32(mended[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(mended)


def _see_image(data: bytes) -> None:
    header = read_header(data, LIMITS)
    at_least = (8, 8) if len(data) % 2 else None
    pixels = decode(data, header, at_least)
    smaller = at_least is not None and header.format == "jpeg"
    fits = pixels.shape[:2] == (header.height, header.width) or smaller
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not fits:
        raise BrokenPromise(f"{header} came as {pixels.dtype} {pixels.shape}")
    if pixels.shape[0] * pixels.shape[1] > LIMITS.max_pixels:
        raise BrokenPromise(f"{pixels.shape} is more than the limit")


def _see_container(data: bytes) -> None:
    kind = sniff(data) or ("jpeg", "png", "webp", "bmp")[len(data) % 4]
    turn = orientation(kind, data)  # raises nothing, whatever comes
    if not 1 <= turn <= 8:
        raise BrokenPromise(f"orientation {turn}")
    if kind == "jpeg":
        list(jpeg_segments(data))
    if kind == "png":
        essential_png(data)
    width, height = stored_size(kind, data)
    if width < 1 or height < 1:
        raise BrokenPromise(f"{width} x {height} pixels")


PICKLE_WORDS: Final = (
    *(
        bytes((code,))
        for code in b"\x80\x95.()]}eaus0t\x85\x86\x87RbcoiN\x88\x89KMJ\x8aGUT\x8cXB\x8eCq\x94hjr\x93\x96\x97\x98\x81\x92Q2P"
    ),
    *(
        b"cnumpy\nndarray\n",
        b"cnumpy\ndtype\n",
        b"cnumpy.core.multiarray\n_reconstruct\n",
        b"c_codecs\nencode\n",
        b"cos\nsystem\n",
    ),
    *(b"U\x02u1", b"U\x02f8", b"U\x01O", b"J\xff\xff\xff\xff", b"(K\x01", b"]q\x00h\x00a", b"}q\x00h\x00K\x01s", b"\x87R", b"tb"),
)


def pickles() -> tuple[bytes, ...]:
    small = np.arange(6, dtype=np.uint8).reshape(2, 3)
    plain = {"data": small, "labels": [0, 1], b"b": (1, -2, 2**40, 1.5, None, True), "t": "é" * 3, "x": [b"", {1: []}]}
    floats = {"a": np.asfortranarray(small.astype("<f4")), "b": small.T, "c": np.zeros((0, 3), ">i2")}
    found = [pickle.dumps(value, protocol) for value in (plain, floats) for protocol in (2, 3, 4, 5)]
    return (*found, python2_batch(small, [1, 2]))


def _see_pickle(data: bytes) -> None:
    safe_pickle.load(data)


def _written(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    path.parent.mkdir(parents=True, exist_ok=True)

    def feed(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return feed


def _cucumber9(folder: Path) -> Target:
    """A batch in a folder of its own; the rows are 3,072 bytes, so it is mostly pixels, and mostly taken."""
    feed = _written(folder / "data_batch_1", lambda path: cucumber9.read(path.parent))
    seeds = (batch(1), batch(2, protocol=2), python2_batch(rows(1), [3]), batch(1, 9216))
    return Target("cucumber9", feed, (DataError,), seeds, 4, PICKLE_WORDS)


def _mnist(folder: Path) -> Target:
    """The images and labels of one pair, one after the other, cut where the first 2 bytes say."""
    folder.mkdir(parents=True)

    def feed(data: bytes) -> None:
        cut = 2 + int.from_bytes(data[:2])
        (folder / "train-images-idx3-ubyte").write_bytes(data[2:cut])
        (folder / "train-labels-idx1-ubyte").write_bytes(data[cut:])
        mnist.read(folder)

    images = struct.pack(">IIII", 0x0803, 2, 28, 28) + bytes(2 * 28 * 28)
    return Target("mnist", feed, (DataError,), (len(images).to_bytes(2) + images + struct.pack(">II", 0x0801, 2) + b"\1\2",), 4)


def _tars(folder: Path) -> Target:
    feed = _written(folder / "a.tar", lambda path: safe_tar.members(path, 2**18, 40))
    return Target("tars", feed, (DataError,), tars(), 5, (b"ustar\x0000", b"ustar  \0", b"L", b"x", b"S", b"2", b"../"), mend_tar)


def tars() -> tuple[bytes, ...]:
    found = []
    for form, mode in itertools.product((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT), ("w", "w:gz")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode, format=form) as tar:  # type: ignore[call-overload]
            for name, content in (("a/test_batch", b"x" * 600), ("a/" + "é" * (3 if form == 0 else 70), b"y")):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        found.append(buffer.getvalue())
    return tuple(found)


def mend_tar(data: bytes) -> bytes:
    """Right checksums in every header of an archive that is not compressed."""
    mended = bytearray(data)
    for at in range(0, len(mended) - 511, 512):
        if mended[at + 257 : at + 262] == b"ustar":
            mended[at + 148 : at + 156] = b" " * 8
            mended[at + 148 : at + 156] = b"%06o\0 " % sum(mended[at : at + 512])
    return bytes(mended)


def _zips(folder: Path) -> Target:
    folder.mkdir(parents=True)
    archive, unpacked = folder / "a.zip", folder / "unpacked"

    def feed(data: bytes) -> None:
        archive.write_bytes(data)
        declared = declared_bytes(archive, ARCHIVE_LIMITS)
        try:
            names = extract_zip(archive, unpacked, ARCHIVE_LIMITS)
            written = sum((unpacked / name).lstat().st_size for name in names)
            if written != declared or [entry.name for entry in folder.iterdir() if entry not in (archive, unpacked)]:
                raise BrokenPromise(f"{written} bytes where {declared} were declared, or files elsewhere")
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)

    words = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"\x08\0", b"\x0c\0", b"\x0e\0", b"a/b.png")
    return Target("zips", feed, (DataError,), zips(), 4, words)


def zips() -> tuple[bytes, ...]:
    found = []
    contents: Mapping[str, bytes] = {
        "manifest.csv": MANIFEST + b"a/b.png,M\r\n",
        "a/b.png": picture(0, "png"),
        "a/北.txt": b"x" * 40,
    }
    for method, comment in ((zipfile.ZIP_STORED, b""), (zipfile.ZIP_DEFLATED, b"made by hand")):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
            archive.comment = comment
        found.append(buffer.getvalue())
    return tuple(found)


def _manifests(folder: Path) -> Target:
    (folder / "b").mkdir(parents=True)
    for name in ("a.jpg", "b/c.jpg"):
        (folder / name).write_bytes(b"x")

    def read(path: Path) -> None:
        found = list(judge_manifest(folder, GRADES))  # may refuse the file as a whole, never stop at a row
        good = [row for _, row in found if not isinstance(row, InvalidBatch)]
        if any(not (folder / row.path).resolve().is_relative_to(folder.resolve()) for row in good):
            raise BrokenPromise("a path leads out of the batch")
        list(read_manifest(folder, GRADES))

    seeds = (
        MANIFEST + b"a.jpg,M,A-1,top,2026-11-23T02:11:00Z,kenji,hand,12.5\r\n" + b'"b/c.jpg",2L,"a ""b""",,,,,\r\n',
        b"\xef\xbb\xbfgrade,path\nM,./a.jpg\nBM,b/c.jpg\n",
    )
    words = (
        b"a.jpg",
        b"b/c.jpg",
        b"b/",
        b"..",
        b"./",
        b"//",
        b'"',
        b'""',
        b"\r",
        b"path,",
        b"grade,",
        *(f"{g},".encode() for g in GRADES),
    )
    return Target("manifests", _written(folder / "manifest.csv", read), (InvalidBatch,), seeds, 5, words)


def cards() -> tuple[bytes, ...]:
    card = make_card(metrics={"top1": 0.93}, data=[{"name": "a", "sha256": "b" * 64, "images": 2, "counts": {"M": 2}}])
    return (card.model_dump_json().encode(), make_card(seed=3).model_dump_json(indent=1).encode())


def _see_card(data: bytes) -> None:
    """The card in a session whose graph is as the good cards say; text reaches it as ONNX Runtime gives it."""
    text = data.decode("utf-8", "replace")
    side = SimpleNamespace(name="image", type="tensor(uint8)", shape=["N", 8, 8, 3])
    session = SimpleNamespace(
        get_modelmeta=lambda: SimpleNamespace(custom_metadata_map={"senka.card": text}),
        get_outputs=lambda: [SimpleNamespace(name="logits", type="tensor(float)", shape=["N", len(GRADES)])],
        get_inputs=lambda: [side],
    )
    card = card_of(cast("ort.InferenceSession", session))
    card.model_dump_json()


def _onnx(folder: Path) -> Target:
    """Whole files; ONNX Runtime takes a millisecond for each, so they are few."""
    model = make_model(folder / "seed.onnx").read_bytes()
    ort.set_default_logger_severity(4)
    words = (b"senka.card", b"logits", b"image", b"ai.onnx.ml", b"com.microsoft", b"\x0a\x07", b"\x12", b"\x08\x01", b"../x")
    return Target("onnx", _written(folder / "model.onnx", read_card), (InvalidCard,), (model,), 1, words)


def _repository(folder: Path) -> Target:
    """`aliases.json` and the `version.json` of one version, one after the other, cut where the first 2 bytes say."""
    repository = ModelRepository(folder)
    version = folder / "cucumber" / "1"
    version.mkdir(parents=True)

    def feed(data: bytes) -> None:
        cut = 2 + int.from_bytes(data[:2])
        (folder / "cucumber" / "aliases.json").write_bytes(data[2:cut])
        (version / "version.json").write_bytes(data[cut:])
        repository.describe()
        repository.get("champion")

    aliases = b'{"champion":1,"challenger":null,"history":[1,2]}'
    facts = b'{"sha256":"%s","published_at":"2026-11-23T02:11:00+00:00","note":"n"}' % (b"a" * 64)
    return Target("repository", feed, (RepositoryUnreadable, ModelNotFound), (len(aliases).to_bytes(2) + aliases + facts,), 5)
