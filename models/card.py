"""The model card: what a grader must know about a model, stored as JSON in the ONNX file's own metadata.

Class order, preprocessing and calibration travel with the weights, so that no file beside them can disagree.
"""

from pathlib import Path
from typing import Final

import onnxruntime as ort
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import GradeSetMismatch, InvalidCard, ModelNotFound
from models.grades import GRADES
from models.preprocess import PreprocessSpec

CARD_KEY: Final = "senka.card"
"""Key of the card in the metadata of the ONNX file."""


class Calibration(BaseModel):
    """Temperature scaling (Guo et al. 2017): probabilities = softmax(logits / temperature)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(1.0, gt=0)
    images: int = Field(0, ge=0, description="validation images it was fitted on; 0: not calibrated")
    ece_before: float | None = Field(None, description="expected calibration error on them, 10 bins of equal count")
    ece_after: float | None = None


class TrainingData(BaseModel):
    """What a model was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str = Field(description="of the sorted names, grades and contents")
    images: int
    counts: dict[str, int] = Field(description="images by grade")


class ModelCard(BaseModel):
    """Identity of a model. Read it with `read_card`; training writes it at export."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    name: str = Field("cucumber", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    architecture: str
    grades: tuple[str, ...] = Field(min_length=2, description="label of each logit, in order")
    preprocess: PreprocessSpec
    calibration: Calibration = Calibration()
    data: tuple[TrainingData, ...] = ()
    checkpoint_sha256: str
    seed: int
    created_at: str = Field(description="RFC 3339, UTC")
    metrics: dict[str, float] = Field(default_factory=dict, description="on the validation part of the training data")

    def require_grades(self, expected: tuple[str, ...] = GRADES) -> None:
        """Raise GradeSetMismatch unless the labels are these grades, in any order."""
        if sorted(self.grades) != sorted(expected):
            raise GradeSetMismatch(expected, self.grades)


def card_of(session: ort.InferenceSession) -> ModelCard:
    """The card inside a loaded ONNX model. Raises InvalidCard, also when the graph's outputs do not fit the card."""
    text = session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
    if text is None:
        raise InvalidCard(f"The ONNX file carries no model card ({CARD_KEY}). Export it with `senka export`.")
    try:
        card = ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or CARD_KEY
        raise InvalidCard(f"The model card is not valid: {where}: {first['msg']}. Export the model again.") from error
    outputs = session.get_outputs()
    classes = outputs[0].shape[-1]
    if outputs[0].name != "logits" or classes != len(card.grades):
        raise InvalidCard(
            f"The first output is {outputs[0].name!r} with {classes} values; "
            f"the card expects 'logits' for {len(card.grades)} grades."
        )
    return card


def open_session(
    model: bytes, options: ort.SessionOptions | None = None, providers: list[str] | None = None
) -> ort.InferenceSession:
    """Bytes of an ONNX file -> session. Raises InvalidCard when ONNX Runtime cannot read them."""
    try:
        return ort.InferenceSession(model, options, providers=providers or ["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class but this one
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InvalidCard(f"Not a readable ONNX model: {reason[:200]}") from error


def read_card(path: Path) -> ModelCard:
    """The card of an ONNX file. Raises ModelNotFound, InvalidCard."""
    if not path.is_file():
        raise ModelNotFound(path.name, "file at this path", [])
    return card_of(open_session(path.read_bytes()))
