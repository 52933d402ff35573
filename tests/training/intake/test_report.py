"""The report counts everything once; `clean` gives what it says, and copies stay on one side of a split."""

from dataclasses import replace

import numpy as np
import pytest

from models.errors import DataError
from tests.training.intake.pictures import fruit, jpeg
from training.intake import Incoming, Report, clean, describe, examine, write_page
from training.sources import LabelledSet, Sample


def copy_of(sample: Sample, name: str, grade: str | None = None, near: bool = False) -> Sample:
    return Sample(name, grade or sample.grade, pixels=jpeg(sample.whole()) if near else sample.whole())


@pytest.fixture(scope="module")
def sets() -> tuple[LabelledSet, LabelledSet, LabelledSet]:
    """A batch with one of everything, the earlier photographs, and the golden set."""
    own, earlier, golden = fruit(18, 3), fruit(18, 4), fruit(9, 5)
    planted = (
        copy_of(own.samples[0], "duplicate"),
        copy_of(own.samples[1], "near duplicate", near=True),
        copy_of(own.samples[2], "contradiction", grade="C"),
        copy_of(earlier.samples[0], "earlier exact"),
        copy_of(earlier.samples[1], "earlier near", near=True),
        copy_of(golden.samples[0], "leak exact"),
        copy_of(golden.samples[1], "<b>leak</b> near", near=True),
        Sample("flat", "L", pixels=np.full((48, 64, 3), 8, np.uint8)),
        Sample("tiny", "L", pixels=fruit(9, 6).samples[0].whole()[:10, :12]),
    )
    return replace(own, name="<batch>", samples=own.samples + planted), earlier, golden


@pytest.fixture(scope="module")
def report(sets) -> Report:
    batch, earlier, golden = sets
    return examine(Incoming(batch), [earlier], golden, suspect=False)


def test_everything_planted_is_found_and_nothing_else(report, sets):
    own = sets[0].samples
    assert {(copy.name, copy.of) for copy in report.duplicates} == {
        ("duplicate", own[0].name),
        ("near duplicate", own[1].name),
        ("contradiction", own[2].name),
    }
    assert {copy.name: copy.kind for copy in report.earlier} == {"earlier exact": "pixels", "earlier near": "near"}
    assert {copy.name: copy.kind for copy in report.leaks} == {"leak exact": "pixels", "<b>leak</b> near": "near"}
    assert [copy.name for copy in report.contradictions] == ["contradiction"]
    assert [odd.name for odd in report.odd] == ["flat", "tiny"]
    assert [reason.partition(":")[0] for reason in report.odd[0].reasons] == ["nearly uniform", "very dark"]
    assert report.odd[1].reasons[0] == "tiny: 12 x 10 pixels"


def test_nothing_is_dropped_silently(report):
    assert report.left_out_counts() == {
        "leak": 2,
        "copy of an earlier photograph": 2,
        "contradictory copies": 2,
        "duplicate": 1,
    }
    assert report.usable + len(report.left_out) == report.listed == 27


def test_clean_gives_what_the_report_says(report, sets):
    kept = clean(sets[0], report)
    names = {sample.name for sample in kept.samples}
    assert len(kept) == report.usable
    assert names.isdisjoint(left.name for left in report.left_out)
    assert "near duplicate" in names
    group = {sample.name: sample.group for sample in kept.samples}
    assert group["near duplicate"] == group[sets[0].samples[1].name]
    assert len(set(group.values())) == len(kept) - 1


def test_clean_refuses_a_report_of_other_labels(report, sets):
    changed = replace(sets[0], samples=(replace(sets[0].samples[0], grade="C"), *sets[0].samples[1:]))
    with pytest.raises(DataError, match="another batch"):
        clean(changed, report)


def test_clean_of_nothing_but_copies_is_an_error(sets):
    earlier = sets[1]
    report = examine(Incoming(earlier), [replace(earlier, name="before")], suspect=False)
    assert report.usable == 0
    with pytest.raises(DataError, match="Nothing"):
        clean(earlier, report)


def test_two_sources_of_one_name_are_an_error(sets):
    with pytest.raises(DataError, match="twice"):
        examine(Incoming(sets[0]), [sets[1], sets[1]], suspect=False)


def test_the_json_gives_the_report_back(report):
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_the_lines_name_leaks_and_counts(report):
    text = "\n".join(describe(report))
    assert "2 LEAKS" in text
    assert "2 left out: leak" in text
    assert "No label was judged: not asked for" in text


def test_the_page_is_escaped_and_loads_nothing(report, sets, tmp_path):
    batch, earlier, golden = sets
    write_page(tmp_path / "report.html", report, batch, {earlier.name: earlier, golden.name: golden})
    page = (tmp_path / "report.html").read_text()
    assert "<b>leak</b>" not in page
    assert "&lt;b&gt;leak&lt;/b&gt; near" in page
    assert "<h1>Intake of &lt;batch&gt;</h1>" in page
    assert "labels contradict" in page
    assert page.count("data:image/png;base64,") == 2 * 7 + 2
    assert "http" not in page.replace("https://github.com/workpiles", "")


def test_labels_cannot_be_suspected_of_one_grade():
    one = LabelledSet("one", tuple(sample for sample in fruit(27).samples if sample.grade == "L"))
    assert "Fewer than two grades" in examine(Incoming(one)).unsuspected
