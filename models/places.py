"""Where Senka keeps what is not code, and how a model is named on a command line: the same for training and the service.

Settings come from the environment (`SENKA_*`) or from `senka.toml` in the working folder; the environment wins.
"""

import os
from hashlib import sha256
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from models.errors import InvalidSetting, ModelFileMissing

if TYPE_CHECKING:  # they load ONNX Runtime, which the process that only watches over the workers does without
    from models.gallery import Galleries
    from models.repository import ModelRepository, Version
    from models.retrainings import Retrainings


def _home(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str | Path) else value


def _folder(value: Any) -> Any:
    if isinstance(value, str) and "://" in value:
        raise ValueError("this must be a path on this machine")
    return None if value == "" else _home(value)


Home = Annotated[Path, BeforeValidator(_home)]
Folder = Annotated[Path | None, BeforeValidator(_folder)]


def _store(value: Any) -> Any:
    return value if isinstance(value, str) and "://" in value else _folder(value)


def _names(value: Any) -> Any:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


Store = Annotated[Path | str | None, BeforeValidator(_store)]
"""A folder, or the URL of an object store."""
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
"""Comma-separated names."""


class Places(BaseSettings):
    """The settings that commands without a service need. Load them with `Places.load()`."""

    model_config = SettingsConfigDict(
        env_prefix="SENKA_", toml_file="senka.toml", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Home = Field(
        default_factory=lambda: Path.home() / ".senka",
        description="Folder of records, photographs and models, `~/.senka` by default; move it to a larger disk.",
    )
    model_repository: Folder = Field(None, description="Folder of the published models; empty is `models` in SENKA_HOME.")
    model_name: str = Field(
        "cucumber", description="Which model of the repository grades; change it to keep several produce apart."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def load(cls) -> Self:
        """The settings of this process. Raises InvalidSetting, which names the variable."""
        try:
            return cls()
        except ValidationError as error:
            raise InvalidSetting("; ".join(_words(found) for found in error.errors())) from error
        except TOMLDecodeError as error:
            raise InvalidSetting(f"senka.toml is not valid TOML: {error}") from error

    @property
    def models(self) -> Path:
        return self.model_repository or self.home / "models"

    @property
    def repository(self) -> "ModelRepository":
        from models.repository import ModelRepository

        return ModelRepository(self.models, self.model_name)

    @property
    def retrainings(self) -> "Retrainings":
        from models.retrainings import Retrainings

        return Retrainings(self.home / "retrainings")

    @property
    def golden(self) -> Path:
        """The golden set: a labelled batch that models are judged on and never trained on."""
        return self.home / "golden"

    @property
    def kept_batches(self) -> Path:
        """Labelled batches that models were trained on, each in a folder named by its hash."""
        return self.home / "training-data"

    @property
    def galleries(self) -> "Galleries":
        """Pictures of what the published models have learned."""
        from models.gallery import Galleries

        return Galleries(self.home / "galleries")

    def find_model(self, wanted: str) -> "tuple[Version, bytes]":
        """An ONNX file (anything with a folder or `.onnx` in its name), or a published version or alias.

        A file is version 0 of its card's name. Raises ModelNotFound, ModelCorrupt, InvalidCard.
        """
        from models.card import read_card
        from models.repository import Version

        path = Path(wanted)
        if path.suffix != ".onnx" and os.sep not in wanted:
            version = self.repository.get(wanted)
            return version, self.repository.load(version)
        if not path.is_file():
            raise ModelFileMissing(wanted)
        data = path.read_bytes()
        return Version(read_card(path).name, 0, path, sha256(data).hexdigest(), ""), data


def _words(error: Any) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"senka.toml: there is no setting {name!r}; `senka serve --help` lists them"
    return f"SENKA_{name.upper()}: {error['msg']} (it is {error['input']!r})"
