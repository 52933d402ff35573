from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from models.card import read_card
from models.errors import EmptyBody, TooManyPixels, UndecodableImage
from models.imaging import ImageLimits, Pixels, decode, read_header
from models.preprocess import PreprocessSpec
from tests.models.onnx_files import make_model

BELT = (30, 60, 140)
GREEN = (60, 160, 50)


def photograph(width: int, height: int, bar: tuple[int, int] = (0, 0)) -> Pixels:
    """A belt with one bar of (length, thickness) pixels in its middle, lying along the rows: (height, width, 3) uint8."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = BELT
    length, thickness = bar
    top, left = (height - thickness) // 2, (width - length) // 2
    pixels[top : top + thickness, left : left + length] = GREEN
    return pixels


def bar_of(pixels: Pixels) -> tuple[float, float]:
    """(length, thickness) of the bar, counting partly covered pixels by their share."""
    share = (pixels[:, :, 1].astype(float) - BELT[1]) / (GREEN[1] - BELT[1])
    return float(share.max(axis=0).sum()), float(share.max(axis=1).sum())


def encoded(pixels: Pixels, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


class TestFit:
    def test_a_photograph_of_the_very_size_is_not_touched(self) -> None:
        pixels = noise(32, 20)
        assert np.array_equal(PreprocessSpec(width=32, height=20).from_pixels(pixels), pixels)

    @pytest.mark.parametrize(("width", "height"), [(320, 200), (400, 100), (100, 100), (48, 8), (1000, 999)])
    def test_letterbox_keeps_length_against_thickness(self, width: int, height: int) -> None:
        spec = PreprocessSpec(width=128, height=96)
        bar = (width * 3 // 4, height // 2)
        length, thickness = bar_of(spec.from_pixels(photograph(width, height, bar)))
        scale = min(128 / width, 96 / height)
        assert length == pytest.approx(bar[0] * scale, abs=1.5)
        assert thickness == pytest.approx(bar[1] * scale, abs=1.5)

    def test_stretch_does_not(self) -> None:
        out = PreprocessSpec(width=64, height=64, fit="stretch").from_pixels(photograph(320, 80, (160, 40)))
        assert bar_of(out) == pytest.approx((32, 32), abs=1.5)

    @pytest.mark.parametrize(("width", "height"), [(64, 16), (60, 60)])
    def test_the_pad_has_the_colour_of_the_belt(self, width: int, height: int) -> None:
        spec = PreprocessSpec(width=48, height=24)
        out = spec.from_pixels(photograph(width, height, (width // 2, height // 2)))
        assert (out[0, 0] == BELT).all()
        assert (out[-1, -1] == BELT).all()
        inside = np.abs(out.astype(int) - np.array(BELT)).max(axis=2) > 3
        assert inside.any()
        assert not inside[0].any()
        assert not inside[:, 0].any()

    def test_a_fruit_that_touches_a_side_does_not_colour_the_pad(self) -> None:
        pixels = photograph(64, 16)
        pixels[4:12, :30] = GREEN
        out = PreprocessSpec(width=64, height=64).from_pixels(pixels)
        assert (out[:20] == BELT).all()
        assert (out[-20:] == BELT).all()

    def test_the_picture_stands_in_the_middle(self) -> None:
        out = PreprocessSpec(width=32, height=32).from_pixels(photograph(64, 32, (63, 31)))
        rows = np.flatnonzero((out[:, :, 1] > 100).any(axis=1))
        assert rows[0] + rows[-1] == pytest.approx(31, abs=1)

    @pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3), (3000, 2), (1, 100_000), (100_000, 1)])
    @pytest.mark.parametrize("fit", ["letterbox", "stretch"])
    def test_any_shape(self, size: tuple[int, int], fit: Any) -> None:
        spec = PreprocessSpec(width=24, height=16, fit=fit)
        out = spec.from_pixels(photograph(*size))
        assert out.shape == (16, 24, 3)
        assert out.dtype == np.uint8
        assert (out == BELT).all()

    @given(st.integers(1, 300), st.integers(1, 300), st.integers(8, 40), st.integers(8, 40))
    @settings(max_examples=60, deadline=None)
    def test_every_size_gives_the_size_of_the_spec(self, w: int, h: int, width: int, height: int) -> None:
        for orient in ("landscape", "as_is"):
            spec = PreprocessSpec(width=width, height=height, orient=orient)
            assert spec.from_pixels(photograph(w, h)).shape == (height, width, 3)
            wanted_w, wanted_h = spec.decode_size(w, h)
            assert wanted_w >= 1
            assert wanted_h >= 1


class TestOrientation:
    def test_a_standing_fruit_is_laid_down(self) -> None:
        standing = np.ascontiguousarray(np.rot90(photograph(90, 30, (80, 10)), -1))
        out = PreprocessSpec(width=90, height=30).from_pixels(standing)
        assert bar_of(out) == (80, 10)
        assert out.flags.c_contiguous

    def test_it_is_turned_and_not_mirrored(self) -> None:
        pixels = noise(16, 64)
        out = PreprocessSpec(width=64, height=16).from_pixels(pixels)
        assert np.array_equal(out, np.rot90(pixels))

    def test_as_it_is(self) -> None:
        pixels = noise(16, 64)
        assert np.array_equal(PreprocessSpec(width=16, height=64, orient="as_is").from_pixels(pixels), pixels)

    def test_a_square_stays(self) -> None:
        pixels = noise(32, 32)
        assert np.array_equal(PreprocessSpec().from_pixels(pixels), pixels)


class TestFromBytes:
    @pytest.mark.parametrize("size", [(640, 480), (480, 640), (1600, 100), (33, 500), (20, 12)])
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    @pytest.mark.parametrize("exif_turn", [1, 6])
    def test_one_code_path(self, size: tuple[int, int], kind: str, exif_turn: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = exif_turn
        smooth = np.asarray(Image.fromarray(noise(5, 5)).resize(size))
        data = encoded(smooth, kind, exif=exif)
        spec = PreprocessSpec(width=64, height=32)
        header = read_header(data)
        scaled = decode(data, header, spec.decode_size(header.width, header.height))
        assert np.array_equal(spec.from_bytes(data), spec.from_pixels(scaled))

    def test_scaling_in_the_decoder_hardly_shows(self) -> None:
        smooth = np.asarray(Image.fromarray(noise(6, 4)).resize((1200, 800), Image.Resampling.BICUBIC))
        data = encoded(smooth, quality=95)
        spec = PreprocessSpec(width=48, height=32)
        whole = spec.from_pixels(decode(data, read_header(data))).astype(int)
        assert np.abs(spec.from_bytes(data).astype(int) - whole).max() <= 6

    @given(st.integers(1, 700), st.integers(1, 700), st.sampled_from(["letterbox", "stretch"]), st.integers(1, 8))
    @settings(max_examples=40, deadline=None)
    def test_a_scaled_photograph_never_has_to_be_blown_up(self, width: int, height: int, fit: Any, turn: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = turn
        data = encoded(photograph(width, height), exif=exif)
        spec = PreprocessSpec(width=40, height=24, fit=fit)
        header = read_header(data)
        wanted = spec.decode_size(header.width, header.height)
        pixels = decode(data, header, wanted)
        assert pixels.shape[1] >= min(wanted[0], header.width)
        assert pixels.shape[0] >= min(wanted[1], header.height)
        if header.width >= wanted[0] and header.height >= wanted[1]:
            # What the photograph is resized to in the end, from the scaled pixels: no larger than they are.
            again = spec.decode_size(pixels.shape[1], pixels.shape[0])
            assert again[0] <= pixels.shape[1]
            assert again[1] <= pixels.shape[0]

    def test_refusals_pass_through(self) -> None:
        spec = PreprocessSpec()
        with pytest.raises(EmptyBody):
            spec.from_bytes(b"")
        with pytest.raises(UndecodableImage):
            spec.from_bytes(b"GIF89a")
        with pytest.raises(TooManyPixels):
            spec.from_bytes(encoded(photograph(20, 20)), ImageLimits(max_pixels=399))

    def test_one_channel_is_still_sent_as_rgb(self) -> None:
        # The graph reduces it: whoever sends photographs need not know what the network looks at.
        data = encoded(noise(28, 28), "PNG")
        assert PreprocessSpec(width=28, height=28, channels=1, mean=(0.0,), std=(1.0,)).from_bytes(data).shape == (28, 28, 3)
        grey = BytesIO()
        Image.fromarray(noise(28, 28)).convert("L").save(grey, "JPEG")
        out = PreprocessSpec(width=28, height=28, channels=1).from_bytes(grey.getvalue())
        assert out.shape == (28, 28, 3)
        assert np.array_equal(out[:, :, 0], out[:, :, 2])


class TestSpec:
    def test_frozen_and_closed(self) -> None:
        spec = PreprocessSpec()
        with pytest.raises(ValidationError, match="frozen"):
            spec.width = 64  # type: ignore[misc]
        with pytest.raises(ValidationError, match="Extra inputs"):
            PreprocessSpec.model_validate({"widht": 64})
        assert hash(spec) == hash(PreprocessSpec())

    @pytest.mark.parametrize(
        "fields",
        [
            {"width": 7},
            {"height": 1025},
            {"fit": "crop"},
            {"channels": 2},
            {"std": (0.25, 0.0, 0.25)},
            {"std": (0.25, -1.0, 0.25)},
            {"mean": (0.5,)},  # torch would stretch it over three channels
            {"mean": (0.5, 0.5)},
            {"std": ()},
            {"mean": (0.5, float("nan"), 0.5)},
            {"std": (float("inf"),) * 3},
        ],
    )
    def test_settings_that_make_no_sense(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            PreprocessSpec.model_validate(fields)

    def test_the_way_through_a_card(self, tmp_path: Path) -> None:
        spec = PreprocessSpec(width=96, height=24, fit="stretch", channels=1, mean=(1 / 3,), std=(0.1 + 0.2,))
        assert read_card(make_model(tmp_path / "m.onnx", spec=spec)).preprocess == spec
        assert PreprocessSpec.model_validate_json(spec.model_dump_json()) == spec
