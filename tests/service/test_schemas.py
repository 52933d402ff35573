"""The JSON that is answered is the JSON that is documented: the same keys, valid values."""

from datetime import datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from service.schemas import GradingOut, Moment
from tests.service.gradings import grading

MEASURED = {"length_px": 214.0, "length_mm": None, "width_px": 31.5, "bend_ratio": 0.04, "area_px": 6120.0}


@pytest.mark.parametrize("one", [grading(), grading(1, "BL", 0.2), grading(2, None), grading(3, measurement=MEASURED)])
def test_a_grading_has_the_documented_keys(one: object) -> None:
    answer = one.to_json()  # type: ignore[attr-defined]
    documented = GradingOut.model_validate(answer)
    assert set(answer) == set(GradingOut.model_fields)
    # and nothing inside is lost or renamed either
    assert documented.model_dump(exclude={"received_at", "captured_at"}) == {
        name: value for name, value in answer.items() if name not in ("received_at", "captured_at")
    }


def test_the_documented_example_is_valid() -> None:
    example = GradingOut.model_config["json_schema_extra"]["example"]  # type: ignore[index]
    assert set(example) == set(GradingOut.model_fields)
    GradingOut.model_validate(example)


def test_the_photographs_key_is_ours_alone() -> None:
    assert "photograph" not in grading(photograph="ab.jpg").to_json()


def test_identifiers_sort_by_time() -> None:
    made = [grading(n).id for n in range(50)]
    assert made == sorted(made)


def test_a_moment_is_read_into_utc() -> None:
    moments = TypeAdapter(Moment)
    assert moments.validate_python("2026-11-23T11:00:00+09:00") == datetime.fromisoformat("2026-11-23T02:00:00+00:00")
    assert moments.validate_python("2026-11-23T11:00:00+09:00").isoformat() == "2026-11-23T02:00:00+00:00"


@pytest.mark.parametrize("wrong", ["2026-11-23T11:00:00", "yesterday", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_moment_without_its_offset_or_out_of_the_calendar_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(wrong)
