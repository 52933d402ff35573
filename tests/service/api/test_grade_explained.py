"""`POST /v1/grade?explain=cam`: the maps that come with a grading add up to its logits, and cost the others nothing."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.grades import GRADES
from models.repository import ModelRepository
from service.schemas import GradedOut
from tests.service.models import CELLS, explained_bias, make_explained, make_model
from tests.service.pictures import picture
from tests.service.running import Running, until

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]
SHUFFLED = ("C", "BS", "2L", "M", "BL", "S", "L", "2S", "BM")


async def explained(running: Running, number: int, query: str = "explain=cam") -> dict[str, Any]:
    response = await running.client.post(f"/v1/grade?{query}", content=picture(number))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    GradedOut.model_validate(answer)
    return answer


@pytest.mark.parametrize("grades", [GRADES, SHUFFLED])
async def test_the_maps_add_up_to_the_logits_and_the_logits_are_those_of_the_grading(
    service: Service, repository: ModelRepository, tmp_path: Path, grades: tuple[str, ...]
) -> None:
    repository.publish(make_explained(tmp_path / "m.onnx", grades), promote=True)
    async with service() as running:
        for number in range(3):
            answer = await explained(running, number)
            found = answer["explanation"]
            assert found["method"] == "cam"
            assert found["shape"] == [CELLS, CELLS]
            for place, grade in enumerate(GRADES):
                total = np.mean(found["maps"][grade]) + explained_bias(0)[place]
                assert total == pytest.approx(found["logits"][grade], abs=1e-4)
            odds = np.exp([found["logits"][grade] for grade in GRADES])
            np.testing.assert_allclose(odds / odds.sum(), [answer["probabilities"][grade] for grade in GRADES], atol=1e-6)
            plain = await explained(running, number, "dry_run=true")
            assert (plain["grade"], plain["probabilities"]) == (answer["grade"], answer["probabilities"])
            assert "explanation" not in plain


async def test_the_contrastive_map_is_of_the_grade_against_its_runner_up(
    service: Service, repository: ModelRepository, tmp_path: Path
) -> None:
    repository.publish(make_explained(tmp_path / "m.onnx"), promote=True)
    async with service() as running:
        answer = await explained(running, 4)
    found = answer["explanation"]
    contrastive = found["contrastive"]
    assert (contrastive["grade"], contrastive["against"]) == (answer["grade"], answer["runner_up"]["grade"])
    maps = {grade: np.array(values) for grade, values in found["maps"].items()}
    np.testing.assert_allclose(contrastive["values"], maps[answer["grade"]] - maps[answer["runner_up"]["grade"]], atol=1e-5)
    assert contrastive["minimum"] == pytest.approx(np.min(contrastive["values"]))
    assert contrastive["maximum"] == pytest.approx(np.max(contrastive["values"]))


async def test_a_network_without_maps_still_grades_and_says_what_to_ask(
    service: Service, repository: ModelRepository, tmp_path: Path
) -> None:
    repository.publish(make_model(tmp_path / "m.onnx"), promote=True)
    async with service() as running:
        answer = await explained(running, 1)
        assert answer["grade"] in GRADES
        assert answer["explanation"]["maps"] is None
        assert "/v1/explain" in answer["explanation"]["detail"]


async def test_too_late_for_the_network_is_too_late_for_an_explanation(
    service: Service, repository: ModelRepository, tmp_path: Path
) -> None:
    repository.publish(make_explained(tmp_path / "m.onnx"), promote=True)
    async with service() as running:
        answer = await explained(running, 1, "explain=cam&deadline_ms=0.001")
    assert (answer["grade"], answer["explanation"]["maps"]) == (None, None)


async def test_the_record_and_the_stream_are_of_the_grading_alone(
    service: Service, repository: ModelRepository, tmp_path: Path
) -> None:
    repository.publish(make_explained(tmp_path / "m.onnx"), promote=True)
    async with service() as running:
        answer = await explained(running, 2)
        kept = (await running.client.get(f"/v1/gradings/{answer['id']}")).json()
    assert kept == {name: value for name, value in answer.items() if name != "explanation"}


async def test_the_graph_with_its_maps_is_opened_when_it_is_first_asked_for(
    service: Service, repository: ModelRepository, tmp_path: Path
) -> None:
    repository.publish(make_explained(tmp_path / "m.onnx"), promote=True)
    async with service() as running:
        model = running.context.champion.current.model
        await explained(running, 1, "")
        assert model._explaining is None
        await explained(running, 1)
        assert model._explaining is not None


async def test_another_explanation_than_cam_is_refused_with_the_valid_ones(service: Service, champion: ModelRepository) -> None:
    async with service() as running:
        response = await running.client.post("/v1/grade?explain=lime", content=picture())
    assert (response.status_code, response.json()["valid"]) == (422, ["cam"])


async def test_a_near_deadline_does_not_wait_for_the_first_explanation(
    service: Service, repository: ModelRepository, tmp_path: Path
) -> None:
    repository.publish(make_explained(tmp_path / "m.onnx"), promote=True)
    async with service() as running:
        first = await explained(running, 1, "explain=cam&deadline_ms=1500")
        assert first["grade"] in GRADES
        assert (first["explanation"]["maps"], "ask again" in first["explanation"]["detail"]) == (None, True)
        await until(lambda: running.context.champion.current.model.explains)
        again = await explained(running, 1, "explain=cam&deadline_ms=1500")
        assert (again["grade"], set(again["explanation"]["maps"])) == (first["grade"], set(GRADES))


async def test_a_new_champion_explains_at_once_where_the_old_one_was_asked(
    service: Service, repository: ModelRepository, tmp_path: Path
) -> None:
    repository.publish(make_explained(tmp_path / "m.onnx"), promote=True)
    async with service() as running:
        await explained(running, 1)
        repository.publish(make_explained(tmp_path / "n.onnx", seed=3), promote=True)
        await running.context.champion.refresh()
        assert running.context.champion.current.model.version.number == 2
        assert running.context.champion.current.model.explains
