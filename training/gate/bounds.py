"""What a new model must keep and what it must not lose: every threshold of the gate, in one place."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Require = Literal["better", "not_worse"]
"""What it takes to pass: shown to be better, on the golden set or on the recent images, or merely not shown to be worse."""


class GateBounds(BaseModel):
    """Thresholds of the gate. A fall or a rise is measured against the champion, on the same images.

    It breaks its bound when, drawing fruit anew, it exceeds the bound in at least `certainty` of the draws: three unlucky fruit
    of a rare grade refuse nobody. Floors hold also where there is no champion.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    certainty: float = Field(0.95, gt=0.5, lt=1, description="how sure the gate must be, to refuse and to call better")
    resamples: int = Field(2000, ge=100, le=100_000, description="bootstrap draws; raise it for a steadier verdict")
    target_accuracy: Share = Field(0.9, description="of accepted photographs, where coverage is compared")

    min_images: int = Field(90, ge=1, description="a smaller golden set decides nothing")
    min_fruit_per_grade: int = Field(10, ge=2, description="the recall of a grade of fewer fruit is shown, not judged")
    min_recent_fruit: int = Field(20, ge=1, description="fewer recent fruit prove no gain")
    max_unjudged_grades: int = Field(2, ge=0, description="how many of the model's grades may have too few fruit")

    min_accuracy: Share = Field(0.5, description="floor; the share of golden images graded right")
    min_recall: Share = Field(0.2, description="floor for each grade, unless the champion is as low")
    max_far_errors: Share = Field(0.15, description="floor; share of images graded far from the truth, such as 2L for S")
    max_ece: Share = Field(0.15, description="floor; expected calibration error, beyond what so few images show by chance")
    max_temperature_ratio: float = Field(
        2.0, gt=1, description="floor; how far the temperature that fits the golden set may be from the card's, either way"
    )

    max_accuracy_fall: Share = Field(0.01, description="share of the images")
    max_golden_fall: Share = Field(
        0.02, description="share of the golden images, where only the recent images show a gain; by the figures as they are"
    )
    max_recall_fall: Share = Field(0.05, description="for each grade")
    far_recall_fall: Share = Field(0.3, description="a fall beyond this refuses already at `far_certainty`")
    far_certainty: float = Field(0.8, ge=0.5, lt=1, description="for a fall that is far over its bound")
    max_cost_rise_yen: float = Field(0.1, ge=0, description="for each fruit graded")
    max_ece_rise: Share = Field(0.03, description="of the expected calibration error")
    max_far_error_rise: Share = Field(0.01, description="share of the images")
    max_coverage_fall: Share = Field(0.05, description="share of the images accepted at the target accuracy")

    max_latency_ms: float = Field(25.0, gt=0, description="one photograph, one thread; set it from the lane's deadline")
    max_latency_ratio: float = Field(2.0, ge=1, description="to the champion's latency")
    latency_free_ms: float = Field(5.0, ge=0, description="up to here the ratio does not matter")
    max_parity: float = Field(1e-4, gt=0, description="greatest logit difference between the file and its checkpoint")
    max_cam_error: float = Field(1e-3, gt=0, description="what the map leaves unexplained, relative to the largest logit")
    min_order_gain: Share = Field(0.1, description="accuracy gained by renaming the answers, from which the class order is wrong")
