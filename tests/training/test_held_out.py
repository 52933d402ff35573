"""A set of its own in place of the held-out share: all else is trained on, and the two stay apart."""

from dataclasses import replace

import numpy as np
import pytest

from models.errors import DataError, RunError
from tests.training.small import SPEC, bars, config
from training.fit import fit
from training.run import PARITY_FILE, Run
from training.sources import LabelledSet

LIGHTER = replace(bars(12, seed=7), name="lighter", attribution="Somebody")


def test_all_data_are_trained_on_and_the_figures_are_of_the_held_out_set(tmp_path, monkeypatch):
    shown = []
    from training import fit as fit_module

    real = fit_module.to_arrays
    monkeypatch.setattr(fit_module, "to_arrays", lambda part, *rest: shown.append(part) or real(part, *rest))
    run = fit(config(epochs=1), bars(), tmp_path / "run", held_out=LIGHTER)
    assert [len(part) for part in shown] == [60, 12]
    metrics = run.metrics()
    assert (metrics.scores.images, metrics.scores.data, metrics.calibration.images) == (12, "lighter", 12)
    wanted = np.stack([s.network_input(SPEC) for s in sorted(LIGHTER.samples, key=lambda s: s.name)])
    assert np.array_equal(np.load(run.folder / PARITY_FILE), wanted)
    assert "Somebody" in (run.folder / "report.html").read_text()
    assert Run.open(run.folder).facts.held_out == LIGHTER.described()
    assert run.facts.sources == (bars().described(),)


def test_it_is_resumed_with_the_same_only(tmp_path):
    fit(config(epochs=1), bars(), tmp_path / "run", held_out=LIGHTER)
    with pytest.raises(RunError, match=r"held_out '\w{64}' \(now 'a share of the data'\)"):
        fit(config(epochs=1), bars(), tmp_path / "run", resume=True)
    with pytest.raises(RunError, match="held_out"):
        fit(config(epochs=1), bars(), tmp_path / "run", resume=True, held_out=bars(12, seed=8))
    fit(config(epochs=1), bars(), tmp_path / "run", resume=True, held_out=LIGHTER)


def test_what_is_not_apart_is_refused(tmp_path):
    out = tmp_path / "run"
    one = LabelledSet("one", tuple(replace(s, group="ripe") for s in LIGHTER.samples))
    with_it = LabelledSet("two", (replace(bars().samples[0], group="ripe"), *bars().samples[1:]))
    with pytest.raises(DataError, match=r"share 1 fruit \(ripe\)"):
        fit(config(), with_it, out, held_out=one)
    renamed = LabelledSet("copies", tuple(replace(s, name=f"copy of {s.name}", group="") for s in bars(6).samples))
    with pytest.raises(DataError, match=r"share 6 photographs \(copy of bar0"):
        fit(config(), bars(), out, held_out=renamed)
    two = LabelledSet("two", tuple(s for s in bars().samples if s.grade != "M"))
    with pytest.raises(DataError, match="lighter shows M, which two does not"):
        fit(config(), two, out, held_out=LIGHTER)
    with pytest.raises(DataError, match="hold out two or more"):
        fit(config(), bars(), out, held_out=LabelledSet("none", ()))
    assert not out.exists()
