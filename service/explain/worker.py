"""What runs inside a worker process: the one module of the service that loads torch. Found by name, by `entry`.

One job at a time, on private frozen copies of the networks. A copy is compared with the served graph when it is loaded and on
every photograph explained: a picture is of what was served, or there is none.
"""

import threading
import traceback
from collections import OrderedDict
from dataclasses import asdict
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime as ort
import torch
from tqdm import tqdm

from models.architectures import NAMES, build, default_spec
from models.architectures.network import WithAuxiliaries
from models.architectures.published import PUBLISHED
from models.architectures.summary import Totals, summarize
from models.card import card_of
from models.errors import InvalidParameter, SenkaError
from models.explain.frozen import UnitNetwork, freeze, require_parity
from models.explain.layers import layers_of
from models.explain.methods import explain, offered
from models.explain.neighbours import embed, embed_served, gives_embedding, nearest
from models.explain.receptive import receptive_fields
from models.graph import CAM, INPUT, LOGITS, network_values, open_session
from models.imaging import Pixels
from models.preprocess import PreprocessSpec
from models.repository import ModelRepository
from service.explain.jobs import ArchitecturesJob, DescribeJob, Explained, ExplainJob, Job, Model, WhyJob
from service.explain.reasons import reasons

MODELS_KEPT: Final = 2
"""The champion, and one more to compare it with."""


class Loaded:
    """A model's served graph, whole, and the frozen network behind it."""

    def __init__(self, model: Model, threads: int) -> None:
        """Raises ModelCorrupt, InvalidCard, CheckpointMissing, CheckpointMismatch, ModelMismatch."""
        repository = ModelRepository(model.root, model.version.name)
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = open_session(repository.load(model.version), options)
        self.card = card_of(self.session)
        self.network: UnitNetwork = freeze(self.card, repository.load_checkpoint(model.version))
        require_parity(self.network, self.session, synthetic_photographs(self.card.preprocess))
        self.has_cam = CAM in [output.name for output in self.session.get_outputs()]

    def served(self, photographs: Pixels) -> tuple[np.ndarray, np.ndarray | None]:
        """(B, H, W, 3) -> the graph's own logits (B, K) and, where it has them, maps (B, K, h, w)."""
        names = [LOGITS, CAM] if self.has_cam else [LOGITS]
        found = self.session.run(names, {INPUT: network_values(self.session, photographs)})
        return found[0], found[1] if self.has_cam else None

    def similar(self, photograph: Pixels, embeddings: np.ndarray, count: int) -> list[tuple[int, float]]:
        """Rows of embeddings (N, D), made as `senka gallery` makes them, most like a photograph (1, H, W, 3), and how alike."""
        served = gives_embedding(self.session)
        query = embed_served(self.session, photograph) if served else embed(self.network, self.network.unit(photograph))
        found = nearest(embeddings, query[0], count)
        return list(zip(found.indices.tolist(), found.similarity.tolist(), strict=True))


class Worker:
    """Does jobs. `prepare` loads what a job needs, `do` is what its deadline bounds."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._models: OrderedDict[str, Loaded] = OrderedDict()

    def prepare(self, job: Job) -> None:
        if isinstance(job, ArchitecturesJob):
            return
        key = job.model.version.sha256
        if key not in self._models:
            while len(self._models) >= MODELS_KEPT:  # before, not after: two GoogLeNets need not be held beside a third
                self._models.popitem(last=False)
            self._models[key] = Loaded(job.model, self._threads)
        self._models.move_to_end(key)

    def do(self, job: Job) -> Any:
        if isinstance(job, ArchitecturesJob):
            return architectures()
        loaded = self._models[job.model.version.sha256]
        if isinstance(job, DescribeJob):
            return describe(loaded.network)
        photographs = job.subject.pixels[None] if job.subject else None
        logits = cam = None
        if photographs is not None:
            require_parity(loaded.network, loaded.session, photographs)
            logits, cam = loaded.served(photographs)
        if isinstance(job, WhyJob):
            assert logits is not None  # noqa: S101 - a WhyJob has a photograph
            return reasons(job, loaded.session, logits, cam, partial(loaded.similar, job.subject.pixels[None]))
        return self._explain(job, loaded, logits, cam)

    def _explain(self, job: ExplainJob, loaded: Loaded, logits: np.ndarray | None, cam: np.ndarray | None) -> Explained:
        grades = loaded.card.grades
        if job.target is not None and job.target not in grades:
            raise InvalidParameter(f"target is {job.target[:50]!r}; choose one of: {', '.join(grades)}.", valid=list(grades))
        target = grades.index(job.target) if job.target is not None else None
        if target is None and logits is not None:
            target = int(logits[0].argmax())
        subject = job.subject
        pixels = None if subject is None else subject.pixels if subject.enlarged is None else subject.enlarged
        explanation = explain(
            loaded.network,
            job.method,
            pixels,
            job.layer,
            target,
            job.parameters,
            grades=grades,
            served=(logits, cam) if logits is not None and cam is not None else None,
        )
        explained = grades[explanation.target] if explanation.target is not None else None
        return Explained(explanation, explained, logits[0] if logits is not None else None)


def serve(connection: Connection, threads: int) -> None:
    """Answer jobs until the connection ends: ("ready", None) once the model is there, then ("done", answer).

    ("refused", error) for an error that we know, ("missing", module) for a library that is not installed, ("failed", traceback)
    for a bug.
    """
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time and changes no result that is defined
    cv2.setNumThreads(1)
    tqdm.set_lock(threading.RLock())  # torch.fx uses it; its own lock is a semaphore that a killed worker would leave behind
    worker = Worker(threads)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            worker.prepare(job)
            connection.send(("ready", None))
            connection.send(("done", worker.do(job)))
        except SenkaError as error:
            connection.send(("refused", error))
        except ModuleNotFoundError as error:
            connection.send(("missing", str(error.name)))
        except Exception:  # a bug in one method must not end the worker for all others; the service logs it
            connection.send(("failed", traceback.format_exc()))


def describe(network: UnitNetwork) -> dict[str, Any]:
    """Methods and layers for `GET /v1/explain/methods`."""
    fields = receptive_fields(network)
    layers = []
    for layer in layers_of(network):
        if layer.spatial:
            field = fields.get(layer.name)
            local = field is not None and not field.whole
            layers.append(
                {
                    "name": layer.name,
                    "kind": layer.kind,
                    "shape": list(layer.shape),
                    "receptive_px": field.side_px if field is not None and local else None,
                    "stride_px": max(field.stride_px) if field is not None and local else None,
                }
            )
    methods = [
        {
            "name": one.method.name,
            "shows": one.method.shows,
            "kind": one.method.kind,
            "what": one.method.what,
            "source": one.method.source,
            "target": one.method.target,
            "photograph": one.method.photograph,
            "layers": list(one.layers),
            "default_layer": one.default_layer,
            "parameters": [parameter.to_json() for parameter in one.method.parameters],
        }
        for one in offered(network)
    ]
    return {"methods": methods, "layers": layers}


def architectures() -> dict[str, Any]:
    """Every network at the input and number of classes it was published with, or as it is trained here."""
    networks = []
    for name in NAMES:
        published, spec, grades = PUBLISHED.get(name), default_spec(name), 9
        if published:
            channels, height, width = published.size
            spec = spec.model_copy(update={"channels": channels, "height": height, "width": width})
            grades = published.grades
        with torch.device("meta"):  # without memory for the weights
            network = build(name, grades, spec)
        totals = Totals.of(summarize(network, spec.channels, spec.height, spec.width))
        networks.append(
            {
                "name": name,
                "size": [spec.channels, spec.height, spec.width],
                "grades": grades,
                **asdict(totals),
                "auxiliaries_left_out": isinstance(network, WithAuxiliaries),
                "published": asdict(published) if published else None,
            }
        )
    return {"networks": networks}


def synthetic_photographs(spec: PreprocessSpec) -> Pixels:
    """(3, H, W, 3) uint8: a made-up fruit on a dark, a lit and a bright belt; always the same."""
    noise = np.random.default_rng(0).normal(0, 6, (spec.height, spec.width, 3))
    photographs = []
    for belt in (40, 110, 180):
        picture = np.full((spec.height, spec.width, 3), belt, np.uint8)
        middle, axes = (spec.width // 2, spec.height // 2), (spec.width * 3 // 8, max(1, spec.height // 10))
        cv2.ellipse(picture, middle, axes, 8, 0, 360, (belt // 3, belt // 2 + 30, belt // 4), -1)
        photographs.append((picture + noise).clip(0, 255).astype(np.uint8))
    return np.stack(photographs)
