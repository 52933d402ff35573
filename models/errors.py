"""The exception tree. Every error names the fact and the way out; the service maps `code` to an HTTP status.

SenkaError
├── ImageError               the photograph cannot be graded
│   ├── EmptyBody            nothing was sent
│   ├── UndecodableImage     not an image, truncated, or a format we do not read
│   └── TooManyPixels        the header declares more pixels than allowed
├── DataError                a source of labelled images cannot be used
│   ├── UnknownSource        the path is none of the known kinds
│   ├── UnsafeFile           a pickle or archive that does more than carry data
│   └── InvalidBatch         a labelled batch breaks its format
├── ModelError               a model file or version cannot be used
│   ├── InvalidCard          no model card, or one that cannot be read
│   ├── GradeSetMismatch     the model's labels are not the grades expected
│   ├── ModelNotFound        no such version or alias
│   │   └── ModelFileMissing no such ONNX file
│   ├── ModelCorrupt         the bytes on disk are not the ones published
│   ├── CheckpointMissing    a version was published without the weights that a training goes on from
│   ├── CheckpointMismatch   the weights are not those the model was exported from
│   ├── RepositoryUnreadable what the model repository notes about its versions is damaged
│   ├── ParityError          PyTorch and ONNX Runtime disagree: nothing is exported
│   └── ModelMismatch        the weights to explain with do not compute what the served graph computes
├── ExplainError             a network cannot be explained so
│   ├── UnknownMethod        no such method, or this network does not offer it
│   ├── UnknownLayer         no such layer, or none that the method can use
│   └── InvalidParameter     a parameter of a method is unknown or out of its range
├── RetrainingNotFound       there is no retraining of that id
├── RetrainingRunning        another retraining has the turn
├── InvalidSetting           a setting cannot be read
└── RunError                 a training run cannot start, resume or be read
"""

from collections.abc import Sequence
from typing import Any, ClassVar


class SenkaError(Exception):
    """Base of every error a user may see: one clear line, a stable `code`, and the facts it rests on."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross between processes; pickle alone would call a constructor that takes facts with the message.
        return _rebuilt, (type(self), str(self), self.facts)


def _rebuilt(kind: type[SenkaError], message: str, facts: dict[str, object]) -> SenkaError:
    error = kind.__new__(kind)
    SenkaError.__init__(error, message, **facts)
    return error


class ImageError(SenkaError):
    code = "image_error"


class EmptyBody(ImageError):
    code = "empty_body"

    def __init__(self) -> None:
        super().__init__("The body is empty: send the bytes of one photograph.")


class UndecodableImage(ImageError):
    code = "undecodable_image"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Not a readable photograph: {reason}. Send a complete JPEG, PNG, WebP or BMP file.")


class TooManyPixels(ImageError):
    code = "too_many_pixels"

    def __init__(self, width_px: int, height_px: int, limit_px: int) -> None:
        super().__init__(
            f"The image is {width_px} x {height_px} pixels; at most {limit_px:,} pixels are accepted. Send it scaled down.",
            width_px=width_px,
            height_px=height_px,
            limit_px=limit_px,
        )


class DataError(SenkaError):
    code = "data_error"


class UnknownSource(DataError):
    code = "unknown_source"


class UnsafeFile(DataError):
    code = "unsafe_file"


class InvalidBatch(DataError):
    code = "invalid_batch"


class ModelError(SenkaError):
    code = "model_error"


class InvalidCard(ModelError):
    code = "invalid_card"


class GradeSetMismatch(ModelError):
    code = "grade_set_mismatch"

    def __init__(self, expected: Sequence[str], found: Sequence[str]) -> None:
        super().__init__(
            f"The model grades {' '.join(found)}; expected {' '.join(expected)}. Train it on labels of these grades.",
            expected=list(expected),
            found=list(found),
        )


class ModelNotFound(ModelError):
    code = "model_not_found"

    def __init__(self, name: str, wanted: str, valid: Sequence[str]) -> None:
        known = f"It has: {', '.join(valid)}" if valid else "Publish one with `senka models publish MODEL.onnx --promote`"
        hint = "; make one the champion with `senka models promote N`" if valid and wanted == "champion" else ""
        super().__init__(f"Model {name!r} has no {wanted}. {known}{hint}.", name=name, wanted=wanted, valid=list(valid))


class RetrainingNotFound(SenkaError):
    code = "not_found"

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        listed = f"The latest: {', '.join(known)}" if known else "There is none yet; start one with `senka retrain --data SOURCE`"
        super().__init__(f"There is no retraining {wanted!r}. {listed}.", wanted=wanted, valid=list(known))


class RetrainingRunning(SenkaError):
    code = "retraining_running"

    def __init__(self, running: str) -> None:
        super().__init__(
            f"Retraining {running} is running, and two would be in each other's way. Wait until it is done, or cancel it: "
            f"senka retrain --cancel {running}.",
            running=running,
        )


class ModelFileMissing(ModelNotFound):
    def __init__(self, path: str) -> None:
        SenkaError.__init__(self, f"There is no file {path}. Give the path of an ONNX file written by `senka export`.", path=path)


class ModelCorrupt(ModelError):
    code = "model_corrupt"

    def __init__(self, path: str, expected_sha256: str, found_sha256: str) -> None:
        super().__init__(
            f"{path} is not the file that was published (sha256 {found_sha256[:12]}, published as {expected_sha256[:12]}). "
            "Publish it again, or roll back.",
            path=path,
            expected_sha256=expected_sha256,
            found_sha256=found_sha256,
        )


class CheckpointMissing(ModelError):
    code = "checkpoint_missing"

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"Version {version} of {name} was published without its checkpoint, so no training can go on from it and no "
            "gradient explain it. Publish it again with the run it came from: senka models publish MODEL.onnx --run RUN.",
            name=name,
            version=version,
        )


class CheckpointMismatch(ModelError):
    code = "checkpoint_mismatch"

    def __init__(self, path: str, expected_sha256: str, found_sha256: str) -> None:
        super().__init__(
            f"{path} is not the checkpoint the model was exported from (sha256 {found_sha256[:12]}, the model's card says "
            f"{expected_sha256[:12]}). Name the run that the model was exported from.",
            path=path,
            expected_sha256=expected_sha256,
            found_sha256=found_sha256,
        )


class RepositoryUnreadable(ModelError):
    code = "repository_unreadable"

    def __init__(self, path: str, reason: str, mend: str | None) -> None:
        """Without `mend` the reason lies outside of the file, which may well be whole."""
        advice = f"Restore it from a backup, or {mend}." if mend else "The file itself may be whole: mend that, and try again."
        super().__init__(f"{path} cannot be read ({reason}). {advice}", path=path, reason=reason)


class ParityError(ModelError):
    code = "parity_error"

    def __init__(self, difference: float, limit: float, images: int) -> None:
        super().__init__(
            f"PyTorch and ONNX Runtime differ by {difference:.3g} in the logits of {images} images (limit {limit:g}); "
            "nothing was exported.",
            difference=difference,
            limit=limit,
            images=images,
        )


class ModelMismatch(ModelError):
    code = "model_mismatch"

    def __init__(self, difference: float, limit: float) -> None:
        super().__init__(
            f"The checkpoint does not compute what the served model does (logits differ by {difference:.3g}), so "
            "no picture of it would be true. Publish the model again with the run it came from: senka models publish "
            "MODEL.onnx --run RUN.",
            difference=difference,
            limit=limit,
        )


class ExplainError(SenkaError):
    code = "explain_error"


class UnknownMethod(ExplainError):
    code = "unknown_method"

    def __init__(self, method: str, valid: Sequence[str], reason: str = "") -> None:
        super().__init__(
            f"{reason or f'There is no method {method[:50]!r}.'} Choose one of: {', '.join(valid)}.",
            method=method,
            valid=list(valid),
        )


class UnknownLayer(ExplainError):
    code = "unknown_layer"

    def __init__(self, layer: str, valid: Sequence[str], reason: str = "") -> None:
        reason = reason or f"The network has no layer {layer[:80]!r} that this method can use."
        super().__init__(f"{reason} Choose one of: {', '.join(valid)}.", layer=layer, valid=list(valid))


class InvalidParameter(ExplainError):
    code = "invalid_parameter"


class RunError(SenkaError):
    code = "run_error"


class InvalidSetting(SenkaError):
    code = "invalid_setting"
