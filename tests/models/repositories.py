"""What the tests of the model repository share."""

from models.repository import ModelRepository


def aliases(repository: ModelRepository) -> tuple[int | None, int | None]:
    found = repository.aliases()
    return found.champion, found.challenger
