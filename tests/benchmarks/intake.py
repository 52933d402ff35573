"""What intake finds: python -m tests.benchmarks.intake copies|suspects|speed [--data SOURCE] [--images 300]

copies: the photographs are parted into a batch, an earlier source and a golden set; copies of all three, altered in every way of
ALTERED, are planted in the batch as files. Counted are those that were found where they were planted, and photographs that were
called a copy of a different one. suspects: a share of the labels is changed to another grade at random; counted are those among
the first so many suspects. speed: rendered photographs against as many others, duplicates alone. Without --data the photographs
are rendered.
"""

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic, process_time

import cv2
import numpy as np
import simplejpeg

from models.grades import GRADES
from models.imaging import Pixels, encode_png
from models.labelled import LabelledImage, write_manifest
from training.intake import examine, read_incoming
from training.intake.duplicates import copies_of, copies_within
from training.intake.looks import look
from training.intake.suspects import confident_joint, find_suspects, left_out_probabilities
from training.recipe import Recipe, find_recipe
from training.sources import LabelledSet, Sample, load
from training.synth import synthesize


def jpeg(rgb: Pixels, quality: int) -> bytes:
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality, "RGB", "420"))


def resized(rgb: Pixels, scale: float, interpolation: int) -> Pixels:
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=interpolation), np.uint8)


def lit(rgb: Pixels, gain: float, offset: float) -> Pixels:
    return np.clip(rgb * gain + offset, 0, 255).astype(np.uint8)


ALTERED: dict[str, Callable[[Pixels], bytes]] = {
    "JPEG of quality 90": lambda rgb: jpeg(rgb, 90),
    "JPEG of quality 50": lambda rgb: jpeg(rgb, 50),
    "resized to 0.75": lambda rgb: jpeg(resized(rgb, 0.75, cv2.INTER_AREA), 90),
    "resized to 0.5": lambda rgb: jpeg(resized(rgb, 0.5, cv2.INTER_LINEAR), 90),
    "resized to 1.5": lambda rgb: jpeg(resized(rgb, 1.5, cv2.INTER_CUBIC), 90),
    "brightened": lambda rgb: jpeg(lit(rgb, 1.2, 10), 90),
    "darkened": lambda rgb: jpeg(lit(rgb, 0.7, 0), 90),
    "gamma 0.8": lambda rgb: jpeg((255 * (rgb / 255) ** 0.8).astype(np.uint8), 90),
    "mirrored left-right": lambda rgb: jpeg(rgb[:, ::-1], 90),
    "mirrored up-down": lambda rgb: jpeg(rgb[::-1], 90),
    "mirrored both": lambda rgb: jpeg(rgb[::-1, ::-1], 90),
    "mirrored, resized, brightened": lambda rgb: jpeg(lit(resized(rgb[:, ::-1], 0.75, cv2.INTER_AREA), 1.15, 0), 80),
}


def as_batch(folder: Path, samples: list[Sample], prefix: str) -> list[LabelledImage]:
    """The photographs as files under `prefix`, named by number; those that are files already keep their bytes."""
    (folder / prefix).mkdir(parents=True)
    rows = []
    for index, sample in enumerate(samples):
        content = sample.path.read_bytes() if sample.path else encode_png(sample.whole())
        path = f"{prefix}/{index:05d}{sample.path.suffix if sample.path else '.png'}"
        (folder / path).write_bytes(content)
        rows.append(LabelledImage(path, sample.grade))
    return rows


def copies(data: LabelledSet) -> dict[str, object]:
    samples = list(data.samples)
    parts = {"golden": samples[::5], "earlier": samples[1::5] + samples[2::5], "own": samples[3::5] + samples[4::5]}
    planted: dict[str, tuple[str, str, str]] = {}  # path -> (kind, part, path of the original)
    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place) / name for name in ("golden", "earlier", "batch")}
        originals = {}
        for name, folder in (("golden", "golden"), ("earlier", "earlier"), ("own", "batch")):
            originals[name] = as_batch(folders[folder], parts[name], name)
            write_manifest(folders[folder], originals[name])
        rows = list(originals["own"])
        for number, (kind, alter) in enumerate([("same file", None), ("same pixels", encode_png), *ALTERED.items()]):
            (folders["batch"] / f"copy{number}").mkdir()
            for part, listed in originals.items():
                for sample, row in zip(parts[part], listed, strict=True):
                    path = f"copy{number}/{part}-{Path(row.path).stem}.bin"
                    source = folders["batch" if part == "own" else part] / row.path
                    (folders["batch"] / path).write_bytes(alter(sample.whole()) if alter else source.read_bytes())
                    planted[path] = (kind, part, row.path)
                    rows.append(LabelledImage(path, row.grade))
        write_manifest(folders["batch"], rows)
        incoming = read_incoming(folders["batch"])
        started = monotonic()
        earlier, golden = (read_incoming(folders[name]).data for name in ("earlier", "golden"))
        report = examine(incoming, [earlier], golden, suspect=False)
        seconds = monotonic() - started

    def original(path: str) -> str:
        return planted[path][2] if path in planted else path

    found: dict[str, set[str]] = defaultdict(set)
    mistaken: set[str] = set()
    for part, listed in (("own", report.duplicates), ("earlier", report.earlier), ("golden", report.leaks)):
        for copy in listed:
            if original(copy.name) == original(copy.of):
                found[copy.name].add(part)
            else:
                mistaken.add(copy.name)
    total, hits = Counter[str](), Counter[str]()
    for path, (kind, part, _) in planted.items():
        total[f"{kind}, {part}"] += 1
        hits[f"{kind}, {part}"] += part in found[path]
    shares = {name: hits[name] / count for name, count in total.items()}
    exact = [name for name in total if name.startswith("same")]
    altered = [name for name in total if name not in exact]
    return {
        "data": data.name,
        "photographs": len(samples),
        "planted": len(planted),
        "exact_found": sum(hits[name] for name in exact) / sum(total[name] for name in exact),
        "altered_found": sum(hits[name] for name in altered) / sum(total[name] for name in altered),
        "altered_worst": min((shares[name], name) for name in altered),
        "different_called_copies": len(mistaken) / len(rows),
        "originals_called_copies": sum(path not in planted for path in mistaken) / len(samples),
        "seconds": round(seconds, 1),
    }


def suspects(data: LabelledSet, share: float, seed: int, recipe: Recipe, lengths: tuple[float, ...]) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    flipped = set(rng.choice(len(data), round(share * len(data)), replace=False).tolist())
    grades = [grade for grade in GRADES if grade in data.labels]
    changed = tuple(
        replace(sample, grade=str(rng.choice([grade for grade in grades if grade != sample.grade]))) if i in flipped else sample
        for i, sample in enumerate(data.samples)
    )
    started = monotonic()
    found = left_out_probabilities(replace(data, samples=changed), recipe=recipe, seed=seed)
    listed = find_suspects([sample.name for sample in found.samples], found.given, found.probabilities, found.grades)
    names = {changed[i].name for i in flipped}
    return {
        "data": data.name,
        "recipe": recipe.recipe,
        "images": len(data),
        "seed": seed,
        "flipped": len(flipped),
        "suspects": len(listed),
        "estimated_errors": round(confident_joint(found.probabilities, found.given).estimated_errors, 3),
        "found_in": {
            f"{length:g} times": round(sum(s.name in names for s in listed[: round(length * len(flipped))]) / len(flipped), 3)
            for length in lengths
        },
        "seconds": round(monotonic() - started, 1),
    }


def speed(images: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        for name, seed in (("earlier", 1), ("batch", 2)):
            synthesize(Path(place) / name, images, seed)
        started, used = monotonic(), process_time()
        looked = [look(load(Path(place) / name).samples)[0] for name in ("batch", "earlier")]
        read = monotonic() - started
        found = (*copies_within(looked[0]), *copies_of(looked[0], looked[1], "earlier"))
        return {
            "images": images,
            "against": images,
            "copies_called": len(found),
            "seconds_reading": round(read, 1),
            "seconds": round(monotonic() - started, 1),
            "cpu_seconds": round(process_time() - used, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("copies", "suspects", "speed"))
    parser.add_argument("--data")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--recipe", default="best")
    options = parser.parse_args()
    if options.what == "speed":
        print(json.dumps(speed(options.images)))
        return
    with tempfile.TemporaryDirectory() as place:
        if not options.data:
            synthesize(Path(place) / "rendered", options.images, seed=5)
        data = load(options.data or Path(place) / "rendered")
        if options.what == "copies":
            print(json.dumps(copies(data)))
            return
        for seed in range(options.seeds):
            print(json.dumps(suspects(data, options.share, seed, find_recipe(options.recipe), (1.5, 3.0))), flush=True)


if __name__ == "__main__":
    main()
