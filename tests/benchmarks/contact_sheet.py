"""Every method on some photographs, one sheet to look at: python -m tests.benchmarks.contact_sheet --out sheet.png IMAGE...

The model (`--model 3`) is a published version with its checkpoint, in SENKA_HOME. One row for each method, one column for each
photograph, as the service draws them; methods that need no photograph fill one cell.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from models.card import card_of
from models.explain.catalogue import METHODS
from models.explain.frozen import freeze
from models.explain.methods import explain, offered
from models.explain.pictures import heat_map, overlay
from models.explain.placement import Placement
from models.graph import CAM, INPUT, LOGITS, open_session
from models.imaging import Pixels, decode_whole, encode_png
from models.places import Places

CELL_PX = 150
LABEL_PX = 190


def fitted(picture: Pixels) -> Pixels:
    """Any (H, W, 3) picture -> (CELL_PX, CELL_PX, 3), whole, on white."""
    picture = picture[..., :3]
    scale = (CELL_PX - 6) / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    cell = np.full((CELL_PX, CELL_PX, 3), 255, np.uint8)
    top, left = (CELL_PX - size[1]) // 2, (CELL_PX - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell


def label(text: str) -> Pixels:
    picture = np.full((CELL_PX, LABEL_PX, 3), 255, np.uint8)
    for number, line in enumerate(text.split("\n")):
        cv2.putText(picture, line, (4, 24 + 20 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (20, 30, 20), 1, cv2.LINE_AA)
    return picture


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default="champion")
    arguments.add_argument("--out", type=Path, default=Path("sheet.png"))
    arguments.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    chosen = arguments.parse_args()
    repository = Places.load().repository
    version = repository.get(chosen.model)
    session = open_session(repository.load(version))
    card = card_of(session)
    network = freeze(card, repository.load_checkpoint(version))
    photographs = [decode_whole(path.read_bytes()) for path in chosen.images]
    rows = [np.hstack([label(f"{card.architecture}\nversion {version.number}"), *map(fitted, photographs)])]
    has_cam = CAM in [output.name for output in session.get_outputs()]
    for one in offered(network):
        method = METHODS[one.method.name]
        cells: list[Pixels] = []
        for photograph in photographs if method.photograph else photographs[:1]:
            prepared = card.preprocess.from_pixels(photograph)
            placement = Placement.of(card.preprocess, photograph.shape[1], photograph.shape[0])
            served = tuple(session.run([LOGITS, CAM], {INPUT: prepared[None]})) if has_cam else None
            found = explain(network, method.name, prepared if method.photograph else None, grades=card.grades, served=served)
            drawn = overlay(found, photograph, placement, 0.6) if found.kind == "map" else heat_map(found)
            cells.append(fitted(drawn))
        text = f"{method.name}\n{one.default_layer or ''}\nshows {method.shows}"
        blank = np.full((CELL_PX, CELL_PX, 3), 255, np.uint8)
        rows.append(np.hstack([label(text), *cells, *[blank] * (len(photographs) - len(cells))]))
    half = -(-len(rows) // 2)
    columns = [np.vstack(part + [np.full_like(rows[0], 255)] * (half - len(part))) for part in (rows[:half], rows[half:])]
    chosen.out.write_bytes(encode_png(np.ascontiguousarray(np.hstack(columns))))
    print(chosen.out)


if __name__ == "__main__":
    main()
