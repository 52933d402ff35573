"""Figures of a grader on labelled images, in the shape the command line prints them."""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from training.calibrate import expected_calibration_error


class GradeScores(BaseModel):
    model_config = ConfigDict(frozen=True)

    precision: float
    recall: float
    support: int


class Scores(BaseModel):
    """`evaluate --json`. `confusion[i][j]` counts images of grade `grades[i]` predicted as `grades[j]`."""

    model_config = ConfigDict(frozen=True)

    model: str
    data: str
    images: int
    accuracy: float
    macro_f1: float
    ece: float
    """Expected calibration error, 10 bins of equal count."""
    grades: tuple[str, ...]
    per_grade: dict[str, GradeScores]
    confusion: list[list[int]]


def score(
    probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.integer], grades: tuple[str, ...], model: str, data: str
) -> Scores:
    """probabilities: (N, K) calibrated; truth: (N,) indices into `grades`; N >= 1.

    Macro-F1 is the mean over the grades that occur in truth or prediction.
    """
    predicted = probabilities.argmax(axis=1)
    present = np.union1d(truth, predicted)
    every = np.arange(len(grades))
    precision, recall, _, support = precision_recall_fscore_support(truth, predicted, labels=every, zero_division=0.0)
    f1 = precision_recall_fscore_support(truth, predicted, labels=present, zero_division=0.0)[2]
    return Scores(
        model=model,
        data=data,
        images=len(truth),
        accuracy=float((predicted == truth).mean()),
        macro_f1=float(np.mean(f1)),
        ece=expected_calibration_error(probabilities, truth),
        grades=grades,
        per_grade={
            grade: GradeScores(precision=float(precision[i]), recall=float(recall[i]), support=int(support[i]))
            for i, grade in enumerate(grades)
        },
        confusion=confusion_matrix(truth, predicted, labels=every).tolist(),
    )
