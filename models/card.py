"""The model card: what a grader must know about a model, stored as JSON in the ONNX file's own metadata.

Class order, preprocessing and calibration travel with the weights, so that no file beside them can disagree.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from models.errors import GradeSetMismatch, InvalidCard, ModelFileMissing
from models.grades import GRADES
from models.graph import CAM, EMBEDDING, INPUT, LOGITS, open_session
from models.preprocess import PreprocessSpec

if TYPE_CHECKING:
    import onnxruntime as ort

CARD_KEY: Final = "senka.card"
"""Key of the card in the metadata of the ONNX file."""


class Calibration(BaseModel):
    """Temperature scaling (Guo et al. 2017): probabilities = softmax(logits / temperature)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(1.0, gt=0)
    images: int = Field(0, ge=0, description="validation images it was fitted on; 0: not calibrated")
    ece_before: float | None = Field(None, description="expected calibration error on them, 10 bins of equal count")
    ece_after: float | None = None


class TrainingData(BaseModel):
    """A source that a model was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    sha256: str = Field(description="of the sorted names, grades and contents")
    images: int
    counts: dict[str, int] = Field(description="images by grade")


class ModelCard(BaseModel):
    """Identity of a model. Read it with `read_card`; training writes it at export."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: int = 1
    name: str = Field("cucumber", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    architecture: str
    grades: tuple[str, ...] = Field(min_length=2, description="label of each logit, in order")
    preprocess: PreprocessSpec
    calibration: Calibration = Calibration()
    data: tuple[TrainingData, ...] = Field((), description="every source that it was trained on")
    recipe: str = Field("", description="the recipe that was followed, where one was")
    checkpoint_sha256: str
    seed: int
    created_at: str = Field(description="RFC 3339, UTC")
    metrics: dict[str, float] = Field(default_factory=dict, description="on the validation part of the training data")

    @field_validator("grades")
    @classmethod
    def _distinct(cls, grades: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(grades)) != len(grades):
            raise ValueError("a grade is listed twice")
        return grades

    def require_grades(self, expected: tuple[str, ...] = GRADES) -> None:
        """Raise GradeSetMismatch unless the labels are these grades, in any order."""
        if sorted(self.grades) != sorted(expected):
            raise GradeSetMismatch(expected, self.grades)


def card_of(session: "ort.InferenceSession") -> ModelCard:
    """The card inside a loaded ONNX model. Raises InvalidCard, also when the graph does not fit the card."""
    try:
        card = _written_card(session)
        _require_graph(session, card)
    except UnicodeDecodeError as error:  # ONNX Runtime runs graphs with such names, and stumbles when asked for them
        raise InvalidCard(f"The ONNX file has names or metadata that are no UTF-8 ({error.reason}). Export it again.") from error
    return card


def _written_card(session: "ort.InferenceSession") -> ModelCard:
    text = session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
    if text is None:
        raise InvalidCard(f"The ONNX file carries no model card ({CARD_KEY}). Export it with `senka export`.")
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or CARD_KEY
        raise InvalidCard(f"The model card is not valid: {where}: {first['msg']}. Export the model again.") from error


def _require_graph(session: "ort.InferenceSession", card: ModelCard) -> None:
    """Raise InvalidCard unless the graph takes the card's photographs in batches of any size and gives its logits.

    What else it gives must be `cam` and `embedding`, both or one, in this order.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not outputs:
        raise InvalidCard(
            f"The graph has {len(inputs)} inputs and {len(outputs)} outputs; the card expects one input, 'image', and 'logits'."
        )
    output, *further = outputs
    grades = len(card.grades)
    if output.type != "tensor(float)":
        raise InvalidCard(f"The first output {output.name!r} is {output.type}; the card expects tensor(float).")
    if output.name != LOGITS or len(output.shape) != 2 or output.shape[1] != grades:
        raise InvalidCard(
            f"The first output is {output.name!r} of shape {_words(output.shape)}; the card expects 'logits' for {grades} grades."
        )
    _require_further([(out.name, out.type, out.shape) for out in further], grades)
    spec, image = card.preprocess, inputs[0]
    layouts = {"tensor(uint8)": (spec.height, spec.width, 3), "tensor(float)": (3, spec.height, spec.width)}
    batch, *sides = image.shape or [None]
    wanted = layouts.get(image.type, ())
    # A side that the graph leaves open is a name or None.
    fits = len(sides) == len(wanted) and all(
        side == size or not isinstance(side, int) for side, size in zip(sides, wanted, strict=True)
    )
    if image.name != INPUT or isinstance(batch, int) or not wanted or not fits:
        raise InvalidCard(
            f"The first input is {image.name!r}, {image.type} of shape {_words(image.shape)}; the card expects 'image', "
            f"tensor(uint8) of shape N x {spec.height} x {spec.width} x 3 with any N."
        )


def _require_further(outputs: Sequence[tuple[str, str, Sequence[int | str | None]]], grades: int) -> None:
    """Names, element types and shapes of the outputs after the logits. A side that the graph leaves open is a name or None."""
    wanted = {CAM: f"N x {grades} x h x w", EMBEDDING: "N x D"}
    names = [name for name, _, _ in outputs]
    if names != [name for name in wanted if name in names]:
        raise InvalidCard(
            f"The outputs after 'logits' are {', '.join(map(repr, names))}; they may be 'cam' and 'embedding', in this order."
        )
    for name, kind, shape in outputs:
        fits = len(shape) == wanted[name].count("x") + 1 and not isinstance(shape[0], int)
        if kind != "tensor(float)" or not fits or (name == CAM and shape[1] != grades):
            raise InvalidCard(
                f"The output {name!r} is {kind} of shape {_words(shape)}; the card expects tensor(float) of shape {wanted[name]} "
                "with any N."
            )


def _words(shape: Sequence[int | str | None]) -> str:
    return " x ".join("?" if side is None else str(side) for side in shape) or "()"


def read_card(path: Path) -> ModelCard:
    """The card of an ONNX file. Raises ModelFileMissing, InvalidCard."""
    if not path.is_file():
        raise ModelFileMissing(str(path))
    return card_of(open_session(path.read_bytes()))
