import pickle
import re

import pytest

from models import errors
from models.errors import (
    CheckpointMismatch,
    CheckpointMissing,
    EmptyBody,
    GradeSetMismatch,
    ImageError,
    InvalidBatch,
    ModelCorrupt,
    ModelError,
    ModelFileMissing,
    ModelMismatch,
    ModelNotFound,
    ParityError,
    RepositoryUnreadable,
    RetrainingNotFound,
    RetrainingRunning,
    SenkaError,
    TooManyPixels,
    UndecodableImage,
    UnknownLayer,
    UnknownMethod,
)

EXAMPLES = [
    EmptyBody(),
    UndecodableImage("it ends too early"),
    TooManyPixels(30_000, 20_000, 25_000_000),
    InvalidBatch("line 3 has no path", line=3),
    GradeSetMismatch(("L", "M"), ("M", "S")),
    ModelNotFound("cucumber", "version 7", ["1", "champion"]),
    ModelFileMissing("/models/new.onnx"),
    ModelCorrupt("/models/3/model.onnx", "a" * 64, "b" * 64),
    CheckpointMissing("cucumber", 3),
    CheckpointMismatch("/runs/a/checkpoint.pt", "a" * 64, "b" * 64),
    RetrainingNotFound("20261124T120000Z-abcdef", []),
    RetrainingRunning("20261124T120000Z-abcdef"),
    RepositoryUnreadable("/models/aliases.json", "Invalid JSON", "delete it"),
    ParityError(0.5, 1e-4, 9),
    ModelMismatch(0.5, 1e-4),
    UnknownMethod("lime", ["cam", "occlusion"]),
    UnknownLayer("conv9", ["conv1", "conv2"]),
]
CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SenkaError)]


def drawn_tree() -> dict[str, str | None]:
    """Parent of each class, as the module's docstring draws it."""
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^((?:│   |    )*(?:├── |└── )?)([A-Z]\w+)(?: |$)", line):
            if not found[1] and found[2] != "SenkaError":
                continue  # prose
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            parents[found[2]] = above[depth - 1] if depth else None
    return parents


def test_the_drawn_tree_is_the_real_one() -> None:
    assert drawn_tree() == {kind.__name__: None if kind is SenkaError else kind.__mro__[1].__name__ for kind in CLASSES}


def test_codes_are_stable_words() -> None:
    # A missing file answers as a missing version does; every other error has a code of its own.
    codes = [kind.code for kind in CLASSES if kind is not ModelFileMissing]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)
    assert ModelFileMissing.code == ModelNotFound.code


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
class TestEveryError:
    def test_one_clear_line(self, error: SenkaError) -> None:
        message = str(error)
        assert len(message.splitlines()) == 1
        assert message[0].isupper() or message[0] == "/" or isinstance(error, InvalidBatch)

    def test_it_survives_the_way_from_another_process(self, error: SenkaError) -> None:
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error)
        assert (str(back), back.args, back.facts, back.code) == (str(error), error.args, error.facts, error.code)


def test_facts_for_programs() -> None:
    assert TooManyPixels(300, 200, 100).facts == {"width_px": 300, "height_px": 200, "limit_px": 100}
    assert ModelNotFound("cucumber", "version 7", ("1", "2")).facts == {
        "name": "cucumber",
        "wanted": "version 7",
        "valid": ["1", "2"],
    }


def test_the_way_out_is_named() -> None:
    assert "1, champion" in str(ModelNotFound("cucumber", "version 7", ["1", "champion"]))
    assert "senka models publish" in str(ModelNotFound("cucumber", "champion", []))
    assert "roll back" in str(ModelCorrupt("/m", "a" * 64, "b" * 64))


def test_blame_is_told_apart() -> None:
    assert issubclass(TooManyPixels, ImageError)
    assert issubclass(ModelCorrupt, ModelError)
    assert not issubclass(ModelError, ImageError)
