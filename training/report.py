"""A self-contained HTML page of a grader's mistakes: confusion matrix, then every error, most confident first."""

import base64
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jinja2 import Template

from models.imaging import encode_png
from training.checkpoints import write_bytes
from training.metrics import Scores

_PAGE = Template(
    """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ scores.model }}: {{ errors | length }} errors</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;margin:2rem;color:#1c2321}
table{border-collapse:collapse}th,td{padding:.35rem .7rem;text-align:right;border:1px solid #d5dbd7}
td.hit{background:#dcefe0}td.miss{background:#fbe3d6}
.gallery{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;width:9rem}
figure img{width:9rem;height:9rem;object-fit:contain;image-rendering:pixelated;background:#eef1ef}
</style>
<h1>{{ errors | length }} errors in {{ scores.images }} images</h1>
<p>{{ scores.model }} on {{ scores.data }}: accuracy {{ "%.3f" | format(scores.accuracy) }},
macro-F1 {{ "%.3f" | format(scores.macro_f1) }}, expected calibration error {{ "%.3f" | format(scores.ece) }}.</p>
<h2>Confusion matrix</h2>
<table><tr><th>true \\ predicted</th>{% for g in scores.grades %}<th>{{ g }}</th>{% endfor %}<th>recall</th></tr>
{% for g in scores.grades %}{% set row = loop.index0 %}<tr><th>{{ g }}</th>
{% for n in scores.confusion[row] %}<td
{% if n %} class="{{ 'hit' if loop.index0 == row else 'miss' }}"{% endif %}>{{ n }}</td>{% endfor %}
<td>{{ "%.2f" | format(scores.per_grade[g].recall) }}</td></tr>{% endfor %}</table>
<h2>Every error, most confident first</h2>
<div class="gallery">{% for e in errors %}<figure><img src="data:image/png;base64,{{ e.png }}" alt="">
<figcaption><b>{{ e.truth }} &rarr; {{ e.predicted }}</b> {{ "%.0f" | format(100 * e.confidence) }} %<br>
{{ e.name }}</figcaption></figure>
{% endfor %}</div>{% if attribution %}<p>Photographs: {{ attribution }}</p>{% endif %}</html>
""",
    autoescape=True,
)


def write_report(
    path: Path,
    scores: Scores,
    probabilities: npt.NDArray[np.floating],
    truth: npt.NDArray[np.integer],
    names: list[str],
    inputs: npt.NDArray[np.uint8],
    attribution: str = "",
) -> None:
    """probabilities (N, K), truth (N,), names (N), inputs (N, H, W, 3) uint8 as the network saw them -> one HTML file."""
    confidence = probabilities.max(axis=1)
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    errors = [
        {
            "truth": scores.grades[truth[i]],
            "predicted": scores.grades[predicted[i]],
            "confidence": float(confidence[i]),
            "name": names[i],
            "png": base64.b64encode(encode_png(inputs[i])).decode(),
        }
        for i in wrong[np.argsort(-confidence[wrong], kind="stable")]
    ]
    write_bytes(path, _PAGE.render(scores=scores, errors=errors, attribution=attribution).encode())
