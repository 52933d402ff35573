"""Exports of Label Studio: a .json beside the images that people labelled there, as JSON or as JSON-MIN.

Tasks name their images as Label Studio serves them. They are looked for beside the .json and nowhere else: an address would have
to be fetched from a server that wants credentials, and a path that leads out of the folder is nobody's photograph.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from models.errors import DataError
from models.grades import GRADES
from models.labelled import LabelledImage
from training.sources import folders
from training.sources.samples import LabelledSet, Sample

log = logging.getLogger(__name__)

SOURCE: Final = "label-studio"
_UPLOAD: Final = "/data/upload/"
_LOCAL: Final = "/data/local-files/"
_BESIDE: Final = ("data/upload", "upload", "media/upload", "")
"""Where the folders of uploads may lie: as they are served, as Label Studio keeps them, or by themselves."""
_MAX_BYTES: Final = 512 * 2**20
_LISTED: Final = 10  # so many are named; the message stays readable
_GRADES: Final = {grade.lower(): grade for grade in GRADES}
_TOLD: Final = ("lot", "camera", "captured_at", folders.FRUIT)
"""What the manifest of a labelled batch may say, and a task's data too."""
_EXPORT_AGAIN: Final = (
    "Export with the images: put them beside the .json, as Label Studio keeps them (upload/<project>/<file>), or name them in "
    "data.image by their path beside it"
)


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds, and what of it cannot be used."""

    images: tuple[LabelledImage, ...]
    """Paths are relative to the folder of the .json; `labeller` is who completed the annotation, several joined by a comma."""
    disagreeing: tuple[str, ...]
    """Paths of photographs that people grade differently."""
    cancelled: int
    """Annotations that their annotator skipped."""
    unlabelled: int
    """Tasks without any annotation that counts."""


@dataclass(slots=True)
class _Told:
    """What all tasks say of one photograph."""

    data: Mapping[str, Any]
    grades: dict[str, None] = field(default_factory=dict)
    labellers: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Vote:
    """One annotation: what it chose, and who did."""

    choices: tuple[str, ...]
    labeller: str


def json_files(folder: Path) -> list[Path]:
    """The .json files right in a folder; one alone may be an export."""
    return [
        path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".json" and path.name[0] != "." and path.is_file()
    ]


def read(file: Path, name: str) -> LabelledSet:
    """The labelled photographs of an export, as the set `name`. Raises DataError as `read_export`, and for unreadable images.

    What is left out is counted in the log: photographs that people grade differently, skipped annotations, unlabelled tasks.
    """
    export = read_export(file)
    if export.disagreeing:
        named = ", ".join(export.disagreeing[:_LISTED]) + (" and others" if len(export.disagreeing) > _LISTED else "")
        log.warning("%s: people grade %d photographs differently, left out: %s", file, len(export.disagreeing), named)
    if export.cancelled or export.unlabelled:
        log.info("%s: %d skipped annotations, %d tasks without a label", file, export.cancelled, export.unlabelled)
    if not export.images:
        raise DataError(
            f"{file} has no photograph with one grade: {len(export.disagreeing)} are graded differently, and "
            f"{export.unlabelled} tasks have no label. Label them, settle the differences, and export again.",
            path=str(file),
        )
    samples = tuple(
        Sample(row.path, row.grade, path=file.parent / row.path, group=row.facts.get(folders.FRUIT, ""), lot=row.lot)
        for row in export.images
    )
    folders._check_headers(file.parent, samples)
    return LabelledSet(name, samples)


def read_export(file: Path) -> Export:
    """What an export says. Raises DataError: no export of Label Studio, choices that are no grade, images that are not there."""
    told: dict[str, _Told] = {}
    problems: dict[str, list[str]] = {"grade": [], "several": [], "address": [], "outside": [], "missing": []}
    cancelled = unlabelled = 0
    for where, data, votes, skipped in _tasks(file, _parsed(file)):
        cancelled += skipped
        chosen = [vote for vote in votes if vote.choices]
        unlabelled += not chosen
        if not chosen:
            continue  # an image that nobody labelled need not be there
        path = _find(file.parent, data, where, problems)
        for vote in chosen:
            problems["grade"] += [choice for choice in vote.choices if choice.strip().lower() not in _GRADES]
            grades = {_GRADES.get(choice.strip().lower(), choice): None for choice in vote.choices}
            if len(grades) > 1:
                problems["several"].append(f"{where} ({', '.join(grades)})")
            if path:
                about = told.setdefault(path, _Told(data))
                about.grades.update(grades)
                about.labellers.update({vote.labeller: None} if vote.labeller else {})
    _require_none(file, problems)
    images = tuple(_row(path, about) for path, about in told.items() if len(about.grades) == 1)
    return Export(images, tuple(path for path, about in told.items() if len(about.grades) > 1), cancelled, unlabelled)


def _parsed(file: Path) -> list[Any]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise DataError(f"{file} has more than {_MAX_BYTES:,} bytes; export a project in parts.", path=str(file))
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is no readable JSON: {error}. Export it from Label Studio again.", path=str(file)) from error
    if not isinstance(content, list):
        raise _no_export(file, "it is no list of tasks")
    return content


def _tasks(file: Path, content: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, Any], list[_Vote], int]]:
    """Of every task: how to name it, its data, its annotations, and how many more were skipped. Raises DataError."""
    for number, task in enumerate(content, 1):
        if not isinstance(task, dict):
            raise _no_export(file, f"entry {number} is no task")
        where = f"task {task['id']}" if isinstance(task.get("id"), int) else f"entry {number}"
        if isinstance(task.get("data"), dict) and isinstance(task.get("annotations"), list):
            annotations = [one for one in task["annotations"] if isinstance(one, dict)]
            valid = [one for one in annotations if not one.get("was_cancelled")]
            votes = [_Vote(_choices(one.get("result")), _person(one.get("completed_by"))) for one in valid]
            yield where, task["data"], votes, len(annotations) - len(valid)
        elif "image" in task:  # JSON-MIN: an entry for each annotation, the task's data beside it
            choice = task.get("choice")
            listed = choice.get("choices") if isinstance(choice, dict) else [choice] if choice else []
            yield where, task, [_Vote(_texts(listed), _person(task.get("annotator")))], 0
        else:
            raise _no_export(file, f"{where} has neither data and annotations (JSON) nor image and choice (JSON-MIN)")


def _choices(result: Any) -> tuple[str, ...]:
    """What an annotation chose; boxes and the like are none of our business."""
    regions = [region for region in result if isinstance(region, dict)] if isinstance(result, list) else []
    values = [region.get("value") for region in regions if region.get("type") == "choices"]
    return tuple(text for value in values if isinstance(value, dict) for text in _texts(value.get("choices")))


def _texts(listed: Any) -> tuple[str, ...]:
    return tuple(str(text) for text in listed) if isinstance(listed, list) else ()


def _person(who: Any) -> str:
    """Label Studio says a number, or somebody with an address."""
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    return str(who) if isinstance(who, str | int) else ""


def _find(folder: Path, data: Mapping[str, Any], where: str, problems: dict[str, list[str]]) -> str | None:
    """The path of a task's image relative to the folder; None where a problem was noted."""
    named = data.get("image")
    if not isinstance(named, str) or not named:
        problems["missing"].append(f"{where}, which has no data.image")
    elif "://" in named or named.startswith(("data:", "//")):
        problems["address"].append(f"{where} {named[:100]}")
    else:
        root, candidates = folder.resolve(), _candidates(named)
        paths = [PurePosixPath(text) for text in candidates]
        if any(path.is_absolute() or ".." in path.parts or "\0" in str(path) or "\\" in str(path) for path in paths):
            problems["outside"].append(f"{where} {named[:100]}")
            return None
        for path in paths:
            if _is_inside(root, path):
                return str(path)
        problems["missing"].append(f"{where} {named[:100]}")
    return None


def _candidates(named: str) -> list[str]:
    """Where an image may lie beside the .json, as it is named and with %20 and the like taken for what they mean."""
    if named.startswith(_LOCAL):
        return [*parse_qs(urlsplit(named).query).get("d", []), unquote(urlsplit(named).query.removeprefix("d="))]
    if named.startswith(_UPLOAD):
        uploads = dict.fromkeys(text.removeprefix(_UPLOAD) for text in (named, unquote(named)))
        beside = [f"{place}/{upload}".lstrip("/") for upload in uploads for place in _BESIDE]
        return [*beside, *(place + PurePosixPath(upload).name for upload in uploads for place in ("images/", ""))]
    return list(dict.fromkeys((named, unquote(named))))


def _is_inside(root: Path, path: PurePosixPath) -> bool:
    try:
        return (root / path).is_file() and (root / path).resolve().is_relative_to(root)
    except OSError:  # a name longer than the file system allows
        return False


def _row(path: str, about: _Told) -> LabelledImage:
    lot, camera, captured_at, fruit = (
        str(value) if isinstance(value := about.data.get(name), str | int) else "" for name in _TOLD
    )
    [grade] = about.grades
    facts = {folders.FRUIT: fruit} if fruit else {}
    return LabelledImage(path, grade, lot, camera, captured_at, ", ".join(about.labellers), SOURCE, facts)


def _require_none(file: Path, problems: Mapping[str, Sequence[str]]) -> None:
    words = {
        "grade": f"choices that are no grade: {{}}. The grades are {' '.join(GRADES)}; rename the choices and export again",
        "several": "annotations with several grades: {}. Choose one for each, and export again",
        "address": f"images by address, which nobody can read from here: {{}}. {_EXPORT_AGAIN}",
        "outside": f"images outside of its folder: {{}}. {_EXPORT_AGAIN}",
        "missing": f"images that are not beside it: {{}}. {_EXPORT_AGAIN}",
    }
    found = []
    for kind, listed in problems.items():
        counted = Counter(listed)
        named = ", ".join(list(counted)[:_LISTED]) + (f" and {len(counted) - _LISTED} more" if len(counted) > _LISTED else "")
        if counted:
            found.append(words[kind].format(named))
    if found:
        text = ".\n  ".join(found)
        raise DataError(f"{file} names {text}.", path=str(file), **{kind: list(listed) for kind, listed in problems.items()})


def _no_export(file: Path, reason: str) -> DataError:
    return DataError(f"{file} is no export of Label Studio: {reason}. Export it as JSON or JSON-MIN.", path=str(file))
