import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.card import CARD_KEY, Calibration, ModelCard, TrainingData, card_of, read_card
from models.errors import GradeSetMismatch, InvalidCard, ModelError, ModelNotFound
from models.grades import GRADES
from models.graph import open_session
from models.preprocess import PreprocessSpec
from tests.models.onnx_files import make_card, make_model, write_model

WEIGHTS, BIAS = np.zeros((3, 9), np.float32), np.zeros(9, np.float32)


def refusal(path: Path) -> str:
    """The one line that refuses this file's card."""
    with pytest.raises(InvalidCard) as caught:
        read_card(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


class TestRoundTrip:
    def test_every_field_comes_back(self, tmp_path: Path) -> None:
        spec = PreprocessSpec(width=24, height=16, fit="stretch", orient="as_is", channels=1, mean=(0.4,), std=(0.2,))
        more: dict[str, Any] = {
            "calibration": Calibration(temperature=1.7, images=300, ece_before=0.09, ece_after=0.02),
            "data": (TrainingData(name="自家製 'farm' \"A\"", sha256="ab" * 32, images=9, counts={"L": 9}),),
            "metrics": {"accuracy": 0.1 + 0.2, "macro_f1": 1 / 3},
        }
        path = make_model(tmp_path / "m.onnx", spec=spec, seed=5, **more)
        card = read_card(path)
        assert card == make_card(spec=spec, seed=5, **more)
        assert card.preprocess == spec
        assert card.metrics["accuracy"] == 0.1 + 0.2  # to the last bit

    def test_the_grades_keep_the_order_of_the_logits(self, tmp_path: Path) -> None:
        turned = tuple(reversed(GRADES))
        assert read_card(make_model(tmp_path / "m.onnx", turned)).grades == turned

    def test_the_card_stands_under_its_key(self, tmp_path: Path) -> None:
        session = open_session(make_model(tmp_path / "m.onnx").read_bytes())
        assert CARD_KEY == "senka.card"
        assert json.loads(session.get_modelmeta().custom_metadata_map["senka.card"])["grades"] == list(GRADES)

    def test_frozen_and_closed(self) -> None:
        card = make_card()
        with pytest.raises(ValidationError, match="frozen"):
            card.seed = 1  # type: ignore[misc]
        with pytest.raises(ValidationError, match="Extra inputs"):
            make_card(threshold=0.5)


class TestTheModelsOfTheTests:
    def test_they_compute_what_they_say(self, tmp_path: Path) -> None:
        weights = np.arange(27, dtype=np.float32).reshape(3, 9)
        bias = np.arange(9, dtype=np.float32)
        write_model(tmp_path / "m.onnx", weights, bias, make_card().model_dump_json())
        photographs = np.zeros((5, 8, 8, 3), np.uint8)
        photographs[1:] = (255, 0, 51)
        [logits] = open_session((tmp_path / "m.onnx").read_bytes()).run(None, {"image": photographs})
        np.testing.assert_allclose(logits, [bias] + [weights[0] + 0.2 * weights[2] + bias] * 4, rtol=1e-5)

    def test_another_seed_is_another_model(self, tmp_path: Path) -> None:
        files = [make_model(tmp_path / f"{n}.onnx", seed=seed).read_bytes() for n, seed in enumerate((0, 1, 0))]
        assert files[0] == files[2]
        assert files[0] != files[1]
        photograph = np.full((1, 8, 8, 3), 90, np.uint8)
        first, second = (open_session(file).run(None, {"image": photograph})[0] for file in files[:2])
        assert np.abs(first - second).max() > 0.1

    def test_the_favourite_wins(self, tmp_path: Path) -> None:
        session = open_session(make_model(tmp_path / "m.onnx", favour="BS").read_bytes())
        for level in (0, 128, 255):
            [logits] = session.run(None, {"image": np.full((2, 8, 8, 3), level, np.uint8)})
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            assert (odds / odds.sum(axis=1, keepdims=True))[:, GRADES.index("BS")].min() > 0.99


class TestRefusedFiles:
    def test_no_card(self, tmp_path: Path) -> None:
        write_model(tmp_path / "m.onnx", WEIGHTS, BIAS, None)
        assert "senka export" in refusal(tmp_path / "m.onnx")

    @pytest.mark.parametrize(
        ("card", "named"),
        [
            ("{", "senka.card"),
            ("", "senka.card"),
            ("null", "senka.card"),
            ("[]", "senka.card"),
            (make_card().model_dump_json(exclude={"grades"}), "grades"),
            (make_card().model_dump_json().replace('"width":8', '"width":-8'), "preprocess.width"),
            (make_card().model_dump_json().replace('"BL"', '"L"'), "grades"),  # one grade twice: an answer would lose a logit
            (make_card().model_dump_json().replace('"temperature":1.0', '"temperature":0.0'), "calibration.temperature"),
            (make_card().model_dump_json().replace('"seed":0', '"seed":0,"secret":1'), "secret"),
        ],
    )
    def test_a_broken_card_names_the_field(self, tmp_path: Path, card: str, named: str) -> None:
        write_model(tmp_path / "m.onnx", WEIGHTS, BIAS, card)
        assert f"not valid: {named}" in refusal(tmp_path / "m.onnx")

    def test_another_name_of_the_output(self, tmp_path: Path) -> None:
        write_model(tmp_path / "m.onnx", WEIGHTS, BIAS, make_card().model_dump_json(), logits="probabilities")
        assert "'probabilities'" in refusal(tmp_path / "m.onnx")

    def test_more_logits_than_grades(self, tmp_path: Path) -> None:
        write_model(tmp_path / "m.onnx", np.zeros((3, 10), np.float32), np.zeros(10, np.float32), make_card().model_dump_json())
        assert "N x 10" in refusal(tmp_path / "m.onnx")

    @pytest.mark.parametrize("shape", [[], [9], [None, 9, 1], [None, None], ["N", "classes"]])
    def test_outputs_that_are_no_table_of_logits(self, shape: list[int | str | None]) -> None:
        with pytest.raises(InvalidCard, match="first output"):
            card_of(FakeSession(output=FakeNode("logits", "tensor(float)", shape)))

    def test_another_name_of_the_input(self, tmp_path: Path) -> None:
        write_model(tmp_path / "m.onnx", WEIGHTS, BIAS, make_card().model_dump_json(), image="x")
        assert "first input is 'x'" in refusal(tmp_path / "m.onnx")

    def test_a_graph_for_another_size_of_photograph(self, tmp_path: Path) -> None:
        write_model(tmp_path / "m.onnx", WEIGHTS, BIAS, make_card().model_dump_json(), size=(8, 16))
        assert "N x 8 x 16 x 3" in refusal(tmp_path / "m.onnx")

    def test_a_graph_of_one_batch_size(self, tmp_path: Path) -> None:
        write_model(tmp_path / "m.onnx", WEIGHTS, BIAS, make_card().model_dump_json(), batch=1)
        assert "any N" in refusal(tmp_path / "m.onnx")

    @pytest.mark.parametrize(
        ("kind", "shape"),
        [
            ("tensor(uint8)", ["N", 8, 8, 3]),
            ("tensor(uint8)", [None, "H", "W", 3]),
            ("tensor(float)", ["N", 3, 8, 8]),
        ],
    )
    def test_both_layouts_of_the_contract_are_taken(self, kind: str, shape: list[int | str | None]) -> None:
        card_of(FakeSession(image=FakeNode("image", kind, shape)))

    @pytest.mark.parametrize(
        ("kind", "shape"),
        [
            ("tensor(uint8)", ["N", 3, 8, 8]),
            ("tensor(float)", ["N", 8, 8, 3]),
            ("tensor(double)", ["N", 8, 8, 3]),
            ("tensor(uint8)", ["N", 8, 8]),
            ("tensor(uint8)", []),
        ],
    )
    def test_other_layouts_are_not(self, kind: str, shape: list[int | str | None]) -> None:
        with pytest.raises(InvalidCard, match="first input"):
            card_of(FakeSession(image=FakeNode("image", kind, shape)))

    @pytest.mark.parametrize("names", [["cam", "embedding"], ["cam"], ["embedding"]])
    def test_outputs_that_explain_are_taken(self, names: list[str]) -> None:
        card_of(FakeSession(further=[EXPLAINING[name] for name in names]))

    @pytest.mark.parametrize("names", [["embedding", "cam"], ["cam", "cam"], ["probabilities"], ["cam", "embedding", "logits"]])
    def test_other_outputs_are_not(self, names: list[str]) -> None:
        further = [EXPLAINING.get(name) or FakeNode(name, "tensor(float)", ["N", 9]) for name in names]
        with pytest.raises(InvalidCard, match="may be 'cam' and 'embedding', in this order") as caught:
            card_of(FakeSession(further=further))
        assert all(repr(name) in str(caught.value) for name in names)

    @pytest.mark.parametrize(
        ("name", "kind", "shape"),
        [
            ("cam", "tensor(float)", ["N", 8, 3, 3]),  # of other grades
            ("cam", "tensor(float)", ["N", "K", 3, 3]),
            ("cam", "tensor(float)", ["N", 9, 9]),
            ("cam", "tensor(float)", [1, 9, 3, 3]),
            ("cam", "tensor(double)", ["N", 9, 3, 3]),
            ("embedding", "tensor(float)", ["N", 512, 1, 1]),
            ("embedding", "tensor(float)", [1, 512]),
            ("embedding", "tensor(float16)", ["N", 512]),
            ("embedding", "tensor(float)", []),
        ],
    )
    def test_explaining_outputs_of_another_kind(self, name: str, kind: str, shape: list[int | str | None]) -> None:
        with pytest.raises(InvalidCard, match=rf"The output '{name}' is {re.escape(kind)} of shape .* with any N"):
            card_of(FakeSession(further=[FakeNode(name, kind, shape)]))

    @pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08", b"PK\x03\x04" + bytes(200), bytes(4096)])
    def test_not_an_onnx_file(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "m.onnx").write_bytes(content)
        assert "Not a readable ONNX model" in refusal(tmp_path / "m.onnx")

    def test_a_file_cut_off(self, tmp_path: Path) -> None:
        whole = make_model(tmp_path / "m.onnx").read_bytes()
        for length in range(0, len(whole), 97):
            with pytest.raises(InvalidCard):
                card_of(open_session(whole[:length]))

    @pytest.mark.parametrize("path", ["missing.onnx", "."])
    def test_no_file(self, tmp_path: Path, path: str) -> None:
        with pytest.raises(ModelNotFound, match="There is no file") as caught:
            read_card(tmp_path / path)
        assert str(tmp_path / path) in str(caught.value)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_figure_that_json_cannot_hold(self, value: float) -> None:
        # It would be written as null, and the file could never be read again.
        with pytest.raises(ValidationError, match="finite"):
            make_card(metrics={"macro_f1": value})


class FakeNode:
    def __init__(self, name: str, kind: str, shape: list[int | str | None]) -> None:
        self.name, self.type, self.shape = name, kind, shape


EXPLAINING = {
    "cam": FakeNode("cam", "tensor(float)", ["N", 9, "h", 3]),
    "embedding": FakeNode("embedding", "tensor(float)", [None, 512]),
}


class FakeSession:
    """What `card_of` asks of a session, for graphs that onnx would not let us write."""

    def __init__(self, image: FakeNode | None = None, output: FakeNode | None = None, further: Sequence[FakeNode] = ()) -> None:
        self.custom_metadata_map = {CARD_KEY: make_card().model_dump_json()}
        self._image = image or FakeNode("image", "tensor(uint8)", ["N", 8, 8, 3])
        self._outputs = [output or FakeNode("logits", "tensor(float)", ["N", 9]), *further]

    def get_modelmeta(self) -> "FakeSession":
        return self

    def get_inputs(self) -> list[FakeNode]:
        return [self._image]

    def get_outputs(self) -> list[FakeNode]:
        return self._outputs


class TestGradeSet:
    def test_any_order_will_do(self) -> None:
        for grades in itertools.islice(itertools.permutations(GRADES), 0, 5000, 611):
            make_card(grades).require_grades()

    @pytest.mark.parametrize("grades", [GRADES[:-1], (*GRADES, "XL"), (*GRADES[:-1], "c"), tuple("0123456789")])
    def test_other_grades_are_named(self, grades: tuple[str, ...]) -> None:
        with pytest.raises(GradeSetMismatch) as caught:
            make_card(grades).require_grades()
        assert caught.value.facts == {"expected": list(GRADES), "found": list(grades)}
        assert isinstance(caught.value, ModelError)

    def test_another_set_can_be_asked_for(self) -> None:
        digits = tuple("0123456789")
        make_card(digits).require_grades(digits[::-1])
        with pytest.raises(GradeSetMismatch):
            make_card().require_grades(digits)

    @pytest.mark.parametrize("name", ["", "Cucumber", "../x", "a/b", "x" * 65, "cucumber\n"])
    def test_names_that_could_leave_the_repository(self, name: str) -> None:
        with pytest.raises(ValidationError, match="name"):
            ModelCard.model_validate(make_card().model_dump() | {"name": name})
