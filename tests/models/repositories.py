"""What the tests of the model repository share."""

from models.repository import ModelRepository, Version


def aliases(repository: ModelRepository) -> tuple[int | None, int | None]:
    found = repository.aliases()
    return found.champion, found.challenger


def damage(version: Version) -> None:
    """A byte of the file has changed on disk."""
    data = bytearray(version.path.read_bytes())
    data[len(data) // 2] ^= 1
    version.path.write_bytes(data)
