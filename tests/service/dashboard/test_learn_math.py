"""The arithmetic of the teaching pages, in the browser, against numpy and torch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page
from torch.nn import functional as F

from models.architectures import build, default_spec
from models.architectures.summary import summarize
from tests.service.dashboard.fake_learn import FakeService, create_fake_service
from tests.service.dashboard.fake_line import free_port, serving


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    fake = FakeService()
    with serving(fake.line, free_port(), create_fake_service(fake)) as url:
        yield url


def run(page: Page, address: str, module: str, body: str, given: Any = None) -> Any:
    """The value of a JavaScript expression over `made`, a module of the dashboard, and `given`."""
    page.goto(f"{address}/static/favicon.svg")
    return page.evaluate(
        f'async (given) => {{ const made = await import("{address}/static/{module}.js"); return {body}; }}', given
    )


@pytest.mark.parametrize(("size", "stride", "padding"), [(5, 1, 2), (7, 2, 3), (3, 1, 0), (1, 1, 0), (11, 4, 2)])
def test_convolution(page: Page, address: str, size: int, stride: int, padding: int) -> None:
    rng = np.random.default_rng(size)
    maps, kernels = rng.normal(size=(3, 17, 14)), rng.normal(size=(3, size, size))
    expected = F.conv2d(torch.tensor(maps)[None], torch.tensor(kernels)[None], stride=stride, padding=padding)[0, 0].numpy()
    given = {"maps": maps.tolist(), "kernels": kernels.tolist(), "window": {"stride": stride, "padding": padding}}
    found = run(page, address, "learn-math", "made.convolve(given.maps, given.kernels, given.window)", given)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    body = "made.total(made.contributions(given.maps, given.kernels, 2, 1, given.window))"
    assert run(page, address, "learn-math", body, given) == pytest.approx(expected[2, 1], abs=1e-12)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 1, 0), (3, 3, 0), (3, 1, 1)])
def test_pooling(page: Page, address: str, size: int, stride: int, padding: int, ceil: bool) -> None:
    grid = np.random.default_rng(3).normal(size=(9, 12))
    tensor = torch.tensor(grid)[None, None]
    most, places = F.max_pool2d(tensor, size, stride, padding, ceil_mode=ceil, return_indices=True)
    mean = F.avg_pool2d(tensor, size, stride, padding, ceil_mode=ceil, count_include_pad=False)
    shape = {"size": size, "stride": stride, "padding": padding, "ceil": ceil}
    body = "[made.pool(given.map, given.shape), made.pool(given.map, given.shape, 'average')]"
    found, average = run(page, address, "learn-math", body, {"map": grid.tolist(), "shape": shape})
    np.testing.assert_array_equal(found["values"], most[0, 0].numpy())
    winners = np.array(found["winners"])
    np.testing.assert_array_equal(winners[..., 0] * 12 + winners[..., 1], places[0, 0].numpy())
    np.testing.assert_allclose(average["values"], mean[0, 0].numpy(), atol=1e-12)


def test_softmax_of_large_logits(page: Page, address: str) -> None:
    logits = np.array([1000.0, 998.5, -3.0])
    expected = torch.tensor(logits).softmax(0).numpy()
    np.testing.assert_allclose(run(page, address, "learn-math", "made.softmax(given)", logits.tolist()), expected, atol=1e-15)


def test_a_line_between_two_maps(page: Page, address: str) -> None:
    given = np.random.default_rng(1).normal(size=(4, 5))
    line = run(
        page, address, "learn-math", "made.lineBetween(given[0], given[1])", [given.tolist(), (given * -1.7 + 0.3).tolist()]
    )
    assert line == pytest.approx({"slope": -1.7, "shift": 0.3})
    flat = run(page, address, "learn-math", "made.lineBetween([[2, 2]], [[5, 5]])")  # a dead channel: no slope to tell
    assert flat == {"slope": 0, "shift": 5}


@pytest.mark.parametrize("size", [2, 4, 8, 16, 32])
def test_the_factors_multiply_to_the_fourier_matrix(page: Page, address: str, size: int) -> None:
    body = """(() => {
        const factors = made.fourierFactors(given);
        const plain = ({ re, im }) => ({ re: [...re], im: [...im] });
        const whole = plain(made.fourierMatrix(given));
        return { whole, product: plain(made.product(factors)), filled: factors.map(made.filled) };
    })()"""
    found = run(page, address, "learn-fourier", body, size)
    for made in (found["whole"], found["product"]):
        matrix = (np.array(made["re"]) + 1j * np.array(made["im"])).reshape(size, size)
        np.testing.assert_allclose(matrix, np.fft.fft(np.eye(size), axis=0), atol=1e-12)
    assert found["filled"] == [2 * size] * (size.bit_length() - 1) + [size]


def test_the_work_of_an_inception_module_is_torchs(page: Page, address: str) -> None:
    with torch.device("meta"):
        network = build("googlenet", 1000, default_spec("googlenet").model_copy(update={"width": 224, "height": 224}))
    rows = summarize(network, 3, 224, 224)
    body = "made.modulesOf([]).map((module) => [module.name, made.workOf(module, 3)])"
    for name, work in run(page, address, "learn-modules", body):
        own = [row for row in rows if row.name.startswith(f"inception{name}.")]
        assert work["total"] == sum(row.macs for row in own)
