"""A grading as a row of its table, and back."""

from typing import Any

from service.grading import Grading, ModelRef, Origin


def to_row(grading: Grading) -> dict[str, Any]:
    """The columns of `gradings`, but for its number."""
    origin, model = grading.origin, grading.model
    second = grading.runner_up or (None, None)
    return {
        "id": grading.id,
        "received_at": grading.received_at,
        "captured_at": origin.captured_at,
        "camera": origin.camera,
        "line": origin.line,
        "lot": origin.lot,
        "grade": grading.grade,
        "confidence": grading.confidence,
        "runner_up_grade": second[0],
        "runner_up_probability": second[1],
        "probabilities": grading.probabilities,
        "lane": grading.lane,
        "reasons": list(grading.reasons),
        "measurement": grading.measurement,
        "model_name": model.name,
        "model_version": model.version,
        "model_sha256": model.sha256,
        "timing_ms": grading.timing_ms,
        "batch_size": grading.batch_size,
        "photograph": grading.photograph,
        "profile_version": grading.profile_version,
        "photograph_bytes": grading.photograph_bytes,
        "photograph_interest": grading.interest,
        "idempotency_key": grading.idempotency_key,
        "body_sha256": grading.body_sha256,
        "key_id": grading.key_id,
    }


def from_row(row: Any) -> Grading:
    """The grading that a row of `gradings`, or anything with its columns as attributes, keeps."""
    return Grading(
        id=row.id,
        received_at=row.received_at,
        origin=Origin(row.camera, row.line, row.lot, row.captured_at),
        model=ModelRef(row.model_name, row.model_version, row.model_sha256),
        grade=row.grade,
        confidence=row.confidence,
        runner_up=(row.runner_up_grade, row.runner_up_probability) if row.runner_up_grade else None,
        probabilities=row.probabilities,
        lane=row.lane,
        reasons=tuple(row.reasons),
        timing_ms=row.timing_ms,
        batch_size=row.batch_size,
        measurement=row.measurement,
        photograph=row.photograph,
        profile_version=row.profile_version,
        photograph_bytes=row.photograph_bytes,
        interest=row.photograph_interest,
        idempotency_key=row.idempotency_key,
        body_sha256=row.body_sha256,
        key_id=row.key_id,
    )
