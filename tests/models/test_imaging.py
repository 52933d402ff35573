import struct
import subprocess
import sys
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from models.errors import EmptyBody, ImageError, TooManyPixels, UndecodableImage
from models.imaging import MEDIA_TYPES, ImageLimits, Pixels, decode, decode_whole, encode_png, read_header, sniff

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
ORIENTATIONS = range(1, 9)


def picture(width: int = 28, height: int = 20) -> Image.Image:
    """Smooth, so that JPEG hardly changes it, and different in all four corners."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([columns * 255 // max(1, width - 1), rows * 255 // max(1, height - 1), np.full_like(rows, 80)], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}) | options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F] = "a camera"
    tags[0x0112] = orientation
    return tags


def rgb(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def chunk(name: bytes, content: bytes = b"") -> bytes:
    """One PNG chunk with its right checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND")


def idat(content: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(content))


def bmp(width: int, height: int, rows: bytes = b"", *, bits: int = 24, compression: int = 0, colours: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 2835, 2835, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + head + rows


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for name, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def jpeg_with(before_the_picture: bytes, data: bytes) -> bytes:
    return data[:2] + before_the_picture + data[2:]


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def sized_jpeg(width: int, height: int) -> bytes:
    """A JPEG whose frame header declares another size than it has."""
    data = bytearray(encoded(picture(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def sized_webp(width: int, height: int) -> dict[str, bytes]:
    """The three kinds of WebP, declaring a size of at most 16,384 on a side."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return {
        "extended": riff((b"VP8X", b"\0\0\0\0" + sides), (b"VP8L", b"\x2f" + bytes(20))),
        "lossless": riff((b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(20))),
        "lossy": riff((b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width & 0x3FFF, height & 0x3FFF) + bytes(20))),
    }


class TestFormats:
    @pytest.mark.parametrize("kind", FORMATS)
    def test_each_comes_back(self, kind: str) -> None:
        data = encoded(picture(), kind)
        header = read_header(data)
        assert (header.format, header.width, header.height, header.orientation) == (kind.lower(), 28, 20, 1)
        assert header.format in MEDIA_TYPES
        pixels = decode_whole(data)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (20, 28, 3)
        assert np.abs(pixels.astype(int) - rgb(picture())).max() <= (8 if kind == "JPEG" else 0)
        pixels[0] = 0  # the pixels belong to the caller

    @pytest.mark.parametrize("kind", FORMATS)
    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2)])
    def test_small_sides(self, kind: str, size: tuple[int, int]) -> None:
        assert decode_whole(encoded(picture(*size), kind)).shape == (size[1], size[0], 3)

    @pytest.mark.parametrize("kind", FORMATS)
    @pytest.mark.parametrize("trailer", [b"\0", b"\0" * 4096, b"\r\n", b"\xff\xd9", b"another file", b"\x89PNG\r\n\x1a\n"])
    def test_bytes_after_the_end_are_ignored(self, kind: str, trailer: bytes) -> None:
        data = encoded(picture(), kind)
        assert np.array_equal(decode_whole(data + trailer), decode_whole(data))

    @pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA", "RGB"])
    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
    def test_every_mode(self, mode: str, kind: str) -> None:
        # There is no BMP of grey with transparency.
        image = picture().convert("RGBA" if (kind, mode) == ("BMP", "LA") else mode)
        assert np.array_equal(decode_whole(encoded(image, kind)), rgb(image.convert("RGBA")))

    def test_grey_jpeg(self) -> None:
        pixels = decode_whole(encoded(picture().convert("L"), "JPEG"))
        assert np.array_equal(pixels[:, :, 0], pixels[:, :, 2])
        assert np.abs(pixels[:, :, 0].astype(int) - np.asarray(picture().convert("L"))).max() <= 4

    def test_progressive_jpeg(self) -> None:
        data = encoded(picture(64, 48), "JPEG", progressive=True)
        assert np.abs(decode_whole(data).astype(int) - rgb(Image.open(BytesIO(data)))).max() <= 1

    @pytest.mark.parametrize("marked", [True, False])
    def test_cmyk_jpeg(self, marked: bool) -> None:
        data = encoded(picture(64, 48).convert("CMYK"), "JPEG")
        if not marked:  # without Adobe's segment; every program still takes the inks as inverted
            at = data.index(b"\xff\xee")
            data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :]
        assert np.array_equal(decode_whole(data), rgb(Image.open(BytesIO(data))))
        assert np.abs(decode_whole(data).astype(int) - rgb(picture(64, 48))).max() <= 8
        assert decode(data, read_header(data), (16, 12)).shape == (12, 16, 3)

    def test_ycck_jpeg(self) -> None:
        data = bytearray(encoded(picture().convert("CMYK"), "JPEG"))
        at = data.index(b"\xff\xee")
        data[at + 15] = 2  # Adobe's transform: YCCK
        assert np.array_equal(decode_whole(bytes(data)), rgb(Image.open(BytesIO(data))))

    def test_transparency_lies_on_white_paper(self) -> None:
        pixels = np.zeros((4, 6, 4), np.uint8)
        pixels[:, 2:4] = (255, 0, 0, 128)
        pixels[:, 4:] = (10, 20, 30, 255)
        for kind in ("PNG", "WEBP"):
            out = decode_whole(encoded(Image.fromarray(pixels), kind, **({"exact": True} if kind == "WEBP" else {})))
            assert (out[:, :2] == 255).all()
            assert np.abs(out[:, 2:4].astype(int) - (255, 127, 127)).max() <= 1
            assert (out[:, 4:] == (10, 20, 30)).all()

    def test_one_transparent_colour(self) -> None:
        for mode in ("L", "RGB", "P", "1"):
            image = picture().convert(mode)
            out = decode_whole(encoded(image, "PNG", transparency=image.getpixel((0, 0))))
            whole = rgb(image)
            hidden = (whole != out).any(axis=2)
            assert hidden[0, 0]
            assert not hidden.all()
            assert (out[hidden] == 255).all()

    def test_sixteen_bits_of_grey(self) -> None:
        levels = np.linspace(0, 65_535, 28 * 20).astype(np.uint16).reshape(20, 28)
        out = decode_whole(encoded(Image.fromarray(levels), "PNG"))
        assert np.array_equal(out[:, :, 1], (levels >> 8).astype(np.uint8))

    def test_sixteen_bits_of_colour(self) -> None:
        row = struct.pack(">6H", 0, 256, 65_535, 40_000, 30_000, 20_000)
        out = decode_whole(png(2, 1, idat(b"\0" + row), depth=16))
        assert np.abs(out.astype(int) - [[[0, 1, 255], [156, 117, 78]]]).max() <= 1

    def test_interlaced_png(self) -> None:
        passes = idat(b"\0abc\0def\0ghijkl")  # of Adam7, for 2 x 2 pixels: the first, its neighbour, the row below
        out = decode_whole(png(2, 2, passes, interlace=1))
        assert [bytes(pixel) for row in out for pixel in row] == [b"abc", b"def", b"ghi", b"jkl"]

    def test_bmp_listed_from_the_top(self) -> None:
        whole = rgb(picture())
        rows = np.ascontiguousarray(whole[:, :, ::-1]).tobytes()  # 28 x 3 bytes: no padding
        assert np.array_equal(decode_whole(bmp(28, -20, rows)), whole)
        assert np.array_equal(decode_whole(bmp(28, 20, rows)), whole[::-1])

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_an_animation_is_its_first_picture(self, kind: str) -> None:
        frames = [picture(), picture().transpose(Image.Transpose.ROTATE_180), Image.new("RGB", (28, 20), "red")]
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=40)
        assert np.array_equal(decode_whole(data), rgb(frames[0]))

    def test_encode_png_keeps_every_pixel(self) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (13, 17, 3), np.uint8)
        assert np.array_equal(decode_whole(encode_png(noise)), noise)


class TestOrientation:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    def test_as_pillow_turns_it(self, kind: str, orientation: int) -> None:
        data = encoded(picture(), kind, exif=exif(orientation))
        expected = rgb(ImageOps.exif_transpose(Image.open(BytesIO(data))))
        header = read_header(data)
        assert header.orientation == orientation
        assert (header.height, header.width) == expected.shape[:2]
        pixels = decode_whole(data)
        assert pixels.flags.c_contiguous
        assert np.abs(pixels.astype(int) - expected).max() <= (2 if kind == "JPEG" else 0)

    def test_all_eight_differ(self) -> None:
        assert len({decode_whole(encoded(picture(), "PNG", exif=exif(n))).tobytes() for n in ORIENTATIONS}) == 8

    def test_motorola_byte_order(self) -> None:
        tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
        assert read_header(png(28, 20, chunk(b"eXIf", tiff))).orientation == 6
        assert read_header(png(28, 20, chunk(b"eXIf", b"Exif\0\0" + tiff))).orientation == 6
        data = jpeg_with(jpeg_segment(0xE1, b"Exif\0\0" + tiff), encoded(picture(), "JPEG"))
        assert read_header(data).orientation == 6

    def test_behind_large_segments(self) -> None:
        tiff = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 0x0112, 4, 1, 8)
        large = jpeg_segment(0xE2, bytes(65_000)) * 3
        data = jpeg_with(large + jpeg_segment(0xE1, b"Exif\0\0" + tiff), encoded(picture(), "JPEG"))
        assert read_header(data).orientation == 8

    def test_behind_the_pixels_of_a_png(self) -> None:
        tiff = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 0x0112, 3, 1, 5)
        data = png(2, 1, idat(b"\0abcdef"), chunk(b"eXIf", tiff))
        assert read_header(data).orientation == 5
        assert decode_whole(data).tolist() == [[[97, 98, 99]], [[100, 101, 102]]]

    def test_the_word_exif_elsewhere(self) -> None:
        comment = jpeg_segment(0xFE, b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, 6))
        assert read_header(jpeg_with(comment, encoded(picture(), "JPEG"))).orientation == 1

    @pytest.mark.parametrize(
        "block",
        [
            b"",
            b"II*\0",
            b"II*\0\xff\xff\xff\xff",
            b"MM\0*" + struct.pack(">IH", 8, 65_535),
            b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, 0),
            b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, 9),
            b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 4, 1, 2**32 - 1),
            b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 2, 99, 5),  # text that lies outside the block
            bytes(range(256)),
        ],
    )
    def test_a_broken_exif_block_spoils_no_photograph(self, block: bytes) -> None:
        data = encoded(picture(), "JPEG")
        for photograph in (
            jpeg_with(jpeg_segment(0xE1, b"Exif\0\0" + block), data),
            encoded(picture(), "WEBP", exif=b"Exif\0\0" + block),
            encode_png(rgb(picture())).replace(chunk(b"IEND"), chunk(b"eXIf", block) + chunk(b"IEND")),
        ):
            assert read_header(photograph).orientation in ORIENTATIONS
            assert decode_whole(photograph).size == 28 * 20 * 3

    @given(st.binary(max_size=60))
    @settings(max_examples=100, deadline=None)
    def test_any_exif_block(self, block: bytes) -> None:
        for start in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
            assert read_header(png(28, 20, chunk(b"eXIf", start + block))).orientation in ORIENTATIONS


class TestScaledDecoding:
    @given(
        st.integers(1, 900),
        st.integers(1, 900),
        st.integers(1, 500),
        st.integers(1, 500),
        st.sampled_from(ORIENTATIONS),
        st.booleans(),
    )
    @settings(max_examples=80, deadline=None)
    @example(33, 97, 32, 32, 6, False)
    def test_never_smaller_than_asked(
        self, width: int, height: int, least_width: int, least_height: int, orientation: int, progressive: bool
    ) -> None:
        data = encoded(picture(width, height), "JPEG", exif=exif(orientation), progressive=progressive)
        header = read_header(data)
        pixels = decode(data, header, (least_width, least_height))
        assert pixels.shape[1] >= min(least_width, header.width)
        assert pixels.shape[0] >= min(least_height, header.height)

    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    def test_it_does_save_work_and_shows_the_same(self, orientation: int) -> None:
        data = encoded(picture(640, 320), "JPEG", exif=exif(orientation))
        header = read_header(data)
        wanted = (80, 40) if header.width > header.height else (40, 80)
        pixels = decode(data, header, wanted)
        assert (pixels.shape[1], pixels.shape[0]) == wanted
        whole = Image.fromarray(decode_whole(data)).resize(wanted, Image.Resampling.BOX)
        assert np.abs(pixels.astype(int) - rgb(whole)).max() <= 4

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
    def test_other_formats_come_whole(self, kind: str) -> None:
        data = encoded(picture(64, 48), kind)
        assert decode(data, read_header(data), (8, 6)).shape == (48, 64, 3)


class TestRefused:
    def refused(self, data: bytes, words: str = "Not a readable photograph") -> None:
        with pytest.raises(UndecodableImage, match=words) as caught:
            decode_whole(data)
        assert "\n" not in str(caught.value)

    def test_nothing(self) -> None:
        with pytest.raises(EmptyBody):
            read_header(b"")

    @pytest.mark.parametrize(
        "data",
        [
            b"cucumbers.jpg: see attachment",
            "選果".encode(),
            b"GIF89a" + bytes(100),
            b"II*\0" + bytes(100),  # TIFF
            b"\0\0\0\x1cftypavif" + bytes(100),
            b"%PDF-1.7",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"RIFF\0\0\0\0WAVEfmt ",
            b"\0",
        ],
    )
    def test_other_files(self, data: bytes) -> None:
        assert sniff(data) is None
        self.refused(data, "none of JPEG, PNG, WebP or BMP")

    @pytest.mark.parametrize(
        "magic", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"BM", b"BMW is a make of car"]
    )
    def test_only_the_first_bytes(self, magic: bytes) -> None:
        self.refused(magic)
        self.refused(magic + bytes(500))

    @pytest.mark.parametrize("kind", FORMATS)
    def test_cut_off_in_transfer(self, kind: str) -> None:
        data = encoded(picture(), kind)
        for length in {*range(1, 60), *range(60, len(data), max(1, len(data) // 150)), len(data) - 2, len(data) - 1}:
            with pytest.raises(ImageError):
                decode_whole(data[:length])

    @pytest.mark.parametrize("progressive", [False, True])
    def test_a_jpeg_cut_off_is_refused_at_every_scale(self, progressive: bool) -> None:
        data = encoded(picture(320, 240), "JPEG", progressive=progressive)
        for share in (0.3, 0.6, 0.9, 0.99):
            part = data[: int(len(data) * share)]
            with pytest.raises(UndecodableImage):
                decode(part, read_header(part), (32, 24))

    @pytest.mark.parametrize("kind", ["CMYK", "exif"])
    def test_special_jpegs_cut_off(self, kind: str) -> None:
        data = encoded(picture().convert("CMYK"), "JPEG") if kind == "CMYK" else encoded(picture(), "JPEG", exif=exif(6))
        for length in range(4, len(data), 7):
            with pytest.raises(ImageError):
                decode_whole(data[:length])

    def test_zero_sides(self) -> None:
        self.refused(png(0, 20), "0 x 20")
        self.refused(png(20, 0), "20 x 0")
        self.refused(bmp(0, 20), "0 x 20")
        self.refused(bmp(20, 0), "20 x 0")
        self.refused(bmp(0, -20), "0 x 20")
        self.refused(sized_jpeg(0, 20))
        self.refused(sized_jpeg(20, 0))
        self.refused(riff((b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + bytes(24))), "0 x 0")

    @pytest.mark.parametrize("width", [-1, -28, -(2**31)])
    def test_a_negative_width(self, width: int) -> None:
        self.refused(bmp(width, 20, bytes(28 * 20 * 3)))

    @pytest.mark.parametrize(
        "field",
        [
            {"bits": 0},
            {"bits": 7},
            {"bits": 65_535},
            {"compression": 1, "bits": 8},  # run-length coded: seconds of Python for a few kilobytes
            {"compression": 2, "bits": 4},
            {"compression": 3},
            {"compression": 4},
            {"compression": 2**32 - 1},
            {"bits": 8, "colours": 2**32 - 1},
        ],
    )
    def test_absurd_bmp_headers(self, field: dict[str, int]) -> None:
        self.refused(bmp(28, 20, bytes(28 * 20 * 3), **field))

    @pytest.mark.parametrize("size", [0, 1, 11, 39, 41, 125, 2**31, 2**32 - 1])
    def test_bmp_headers_of_unknown_length(self, size: int) -> None:
        data = bytearray(bmp(28, 20, bytes(28 * 20 * 3)))
        data[14:18] = struct.pack("<I", size)
        self.refused(bytes(data))

    def test_bmp_pixels_that_lie_elsewhere(self) -> None:
        data = bytearray(bmp(28, 20, bytes(28 * 20 * 3)))
        data[10:14] = struct.pack("<I", 2**32 - 1)
        self.refused(bytes(data))

    def test_a_second_png_header(self) -> None:
        # The size that was judged is the one that counts.
        second = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
        assert decode_whole(png(2, 1, second, idat(b"\0abcdef"))).shape == (1, 2, 3)

    def test_a_png_without_what_it_needs(self) -> None:
        self.refused(png(28, 20))
        self.refused(png(28, 20, idat(bytes(40))))
        self.refused(png(2, 1, idat(b"\0\0\0"), colour=3), "palette")
        self.refused(png(2, 1, chunk(b"tRNS", b"\0"), idat(b"\0ab"), colour=0))
        self.refused(png(2, 1, chunk(b"IDAT", b"not compressed")))
        self.refused(b"\x89PNG\r\n\x1a\n" + idat(b"\0abcdef"), "IHDR")

    def test_a_webp_whose_parts_disagree(self) -> None:
        data = encoded(picture(), "WEBP", exif=exif(1))
        small = bytearray(data)
        small[24:30] = bytes(6)  # a canvas of 1 x 1
        self.refused(bytes(small))
        self.refused(riff((b"JUNK", bytes(40))))

    def test_a_jpeg_of_countless_scans(self) -> None:
        data = encoded(picture(64, 64), "JPEG", progressive=True)
        last = data.rindex(b"\xff\xda")
        scan = data[last:-2]
        self.refused(data[:last] + scan * 100 + data[-2:], "scans")


class TestTooManyPixels:
    FILES = (
        png(30_000, 30_000, idat(b"")),
        png(30_000, 30_000, idat(b""), chunk(b"eXIf", b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, 6))),
        png(2**31 - 1, 2**31 - 1),
        png(2**32 - 1, 1),
        bmp(30_000, 30_000),
        bmp(30_000, -30_000),
        bmp(2**31 - 1, -(2**31)),
        bmp(2, -(2**31)),
        sized_jpeg(30_000, 30_000),
        sized_jpeg(65_500, 65_500),
        sized_webp(16_384, 16_384)["extended"],
        sized_webp(16_384, 16_384)["lossless"],
        sized_webp(16_383, 16_383)["lossy"],
        *sized_webp(9_000, 9_000).values(),
        riff((b"VP8X", b"\0\0\0\0" + b"\xff" * 6), (b"VP8L", b"\x2f" + bytes(20))),
    )

    @pytest.mark.parametrize("data", FILES, ids=range(len(FILES)))
    def test_declared(self, data: bytes) -> None:
        assert len(data) < 2000
        tracemalloc.start()
        try:
            with pytest.raises(TooManyPixels):
                read_header(data)
            with pytest.raises(TooManyPixels):
                decode_whole(data)
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()

    def test_decoders_allocate_nothing_for_them(self, tmp_path: Path) -> None:
        # What C libraries allocate is invisible to Python: a process that may not grow by 64 MiB reads them all.
        for number, data in enumerate(self.FILES):
            (tmp_path / f"{number}").write_bytes(data)
        program = f"""
import resource
from pathlib import Path
from models.errors import TooManyPixels
from models.imaging import decode_whole
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 64 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in Path({str(tmp_path)!r}).iterdir():
    try:
        decode_whole(path.read_bytes())
    except TooManyPixels:
        print("refused")
"""
        if not Path("/proc/self/statm").exists():
            pytest.skip("needs Linux's /proc")
        root = Path(__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=False)
        assert done.stderr == ""
        assert done.stdout.split() == ["refused"] * len(self.FILES)

    @pytest.mark.parametrize("kind", FORMATS)
    def test_the_limit_itself_is_allowed(self, kind: str) -> None:
        data = encoded(picture(), kind)
        assert read_header(data, ImageLimits(max_pixels=560)).width == 28
        with pytest.raises(TooManyPixels) as caught:
            decode_whole(data, ImageLimits(max_pixels=559))
        assert caught.value.facts == {"width_px": 28, "height_px": 20, "limit_px": 559}


class TestBallast:
    """What a photograph carries besides the picture neither costs nor spoils anything."""

    def with_chunks(self, *chunks: bytes) -> bytes:
        data = encode_png(rgb(picture()))
        return data[:33] + b"".join(chunks) + data[33:]

    def unharmed(self, data: bytes) -> None:
        tracemalloc.start()
        try:
            assert np.array_equal(decode_whole(data), rgb(picture()))
            assert tracemalloc.get_traced_memory()[1] < 4 * len(data) + 1_000_000
        finally:
            tracemalloc.stop()

    def test_compressed_bombs(self) -> None:
        bomb = zlib.compress(bytes(100_000_000), 9)
        self.unharmed(self.with_chunks(chunk(b"zTXt", b"Comment\0\0" + bomb)))
        self.unharmed(self.with_chunks(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)))
        self.unharmed(self.with_chunks(chunk(b"iCCP", b"profile\0\0" + bomb)))
        self.unharmed(self.with_chunks(*[chunk(b"zTXt", b"Comment\0\0" + bomb[:2000])] * 50))

    def test_large_and_many_chunks(self) -> None:
        self.unharmed(self.with_chunks(chunk(b"tEXt", b"Comment\0" + bytes(3_000_000))))
        self.unharmed(self.with_chunks(*[chunk(b"tEXt", b"a\0b")] * 4_000))

    def test_absurdly_many_chunks(self) -> None:
        with pytest.raises(UndecodableImage, match="more than 5,000 segments"):
            decode_whole(self.with_chunks(*[chunk(b"tEXt", b"a\0b")] * 10_000))

    def test_broken_ones(self) -> None:
        self.unharmed(
            self.with_chunks(chunk(b"iCCP", b"no profile"), chunk(b"pHYs", b"\1"), chunk(b"gAMA"), chunk(b"cHRM", b"x"))
        )
        # Pillow warns about these, and a warning here is an error.
        self.unharmed(self.with_chunks(chunk(b"acTL", struct.pack(">II", 0, 0))))
        self.unharmed(self.with_chunks(chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"acTL", struct.pack(">II", 2, 0))))
        self.unharmed(self.with_chunks(chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"fcTL", bytes(26))))

    def test_notes_in_other_formats(self) -> None:
        notes = (
            jpeg_segment(0xFE, b"x" * 65_000) * 20 + jpeg_segment(0xE2, b"MPF\0broken") + jpeg_segment(0xED, b"Photoshop 3.0\0x")
        )
        data = encoded(picture(), "JPEG")
        assert np.array_equal(decode_whole(jpeg_with(notes, data)), decode_whole(data))
        profile = bytes(500_000)
        assert np.array_equal(decode_whole(encoded(picture(), "WEBP", icc_profile=profile, xmp=profile)), rgb(picture()))

    def test_a_profile_that_says_something(self) -> None:
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "from line 1")
        data = encoded(picture(), "PNG", pnginfo=info, icc_profile=b"anything", dpi=(300, 300))
        assert np.array_equal(decode_whole(data), rgb(picture()))


def sound_checksums(data: bytes) -> bytes:
    """A PNG with the checksum of every chunk put right, so that a change reaches what reads the content."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4])
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


def many_kinds() -> dict[str, bytes]:
    image = picture()
    return {
        "jpeg": encoded(image, "JPEG", exif=exif(6)),
        "jpeg, progressive": encoded(image, "JPEG", progressive=True),
        "jpeg, cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "png": encoded(image, "PNG", exif=exif(6)),
        "png, palette": encoded(image.quantize(16), "PNG", transparency=bytes(range(16))),
        "png, bilevel": encoded(image.convert("1"), "PNG", transparency=1),
        "png, 16 bits": encoded(Image.fromarray(np.arange(560, dtype=np.uint16).reshape(20, 28)), "PNG"),
        "png, grey and alpha": encoded(image.convert("LA"), "PNG"),
        "webp": encoded(image, "WEBP", exif=exif(6)),
        "webp, lossy": encoded(image.convert("RGBA"), "WEBP", lossless=False),
        "webp, animated": encoded(image, "WEBP", save_all=True, append_images=[image.rotate(180)]),
        "bmp": encoded(image, "BMP"),
        "bmp, palette": encoded(image.quantize(16), "BMP"),
        "bmp, alpha": encoded(image.convert("RGBA"), "BMP"),
    }


KINDS = many_kinds()
# A broken header may declare a huge picture; without a limit the test would decode such ones for minutes.
SMALL = ImageLimits(max_pixels=200_000)


def graded_or_refused(data: bytes) -> Pixels | None:
    """The pixels, of the shape that the header says, or None where an ImageError refuses them; nothing else may happen."""
    try:
        header = read_header(data, SMALL)
        pixels = decode(data, header)
    except ImageError:
        return None
    assert pixels.shape == (header.height, header.width, 3)
    assert pixels.dtype == np.uint8
    return pixels


@pytest.mark.parametrize("kind", KINDS)
class TestAnyDamage:
    @given(share=st.floats(0, 1, exclude_max=True))
    @settings(max_examples=25, deadline=None)
    def test_cut_anywhere(self, kind: str, share: float) -> None:
        data = KINDS[kind]
        pixels = graded_or_refused(data[: int(len(data) * share)])
        assert pixels is None or np.array_equal(pixels, decode_whole(data))  # at most padding was lost

    @given(
        flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255), st.booleans()), min_size=1, max_size=6)
    )
    @settings(max_examples=60, deadline=None)
    def test_bytes_changed_anywhere(self, kind: str, flips: list[tuple[float, int, bool]]) -> None:
        data = bytearray(KINDS[kind])
        for share, value, early in flips:  # headers are where it hurts: half of the changes fall there
            data[int((min(len(data), 120) if early else len(data)) * share)] = value
        graded_or_refused(sound_checksums(bytes(data)) if kind.startswith("png") else bytes(data))


@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x64\0\0\0WEBPVP8X", b"RIFF\x64\0\0\0WEBPVP8 ", b"BM"]),
    st.binary(),
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_after_the_magic_number(magic: bytes, rest: bytes) -> None:
    graded_or_refused(magic + rest)
