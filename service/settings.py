"""Every setting of the service: environment `SENKA_*`, or `senka.toml` in the working folder; the environment wins."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from models.places import Folder, Places


class Settings(Places):
    """Name, type, default, and one sentence saying when to change it."""

    model_config = SettingsConfigDict(extra="forbid")  # a misspelt line of senka.toml must not pass in silence

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 lets cameras on the network in.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes that grade; one for each core on a busy line.")
    database_url: str = Field("", description="SQLAlchemy URL of the records, so far SQLite alone; empty is SENKA_HOME.")
    image_store: Folder = Field(None, description="Folder of the photographs; empty is `photographs` in SENKA_HOME.")
    providers: Literal["auto", "cuda", "tensorrt", "cpu"] = Field(
        "auto",
        description="Where the network runs; cuda or tensorrt refuse to start without a GPU, auto takes the best there is.",
    )
    threads: int = Field(0, ge=0, description="Threads of the network in each worker; 0 shares the cores among the workers.")
    max_batch: int = Field(32, ge=1, le=512, description="Photographs graded in one run; raise it on a GPU.")
    max_queue_delay_ms: float = Field(
        0.0, ge=0, le=100, description="Wait for a fuller batch; 0 is fastest on a CPU, try 1 to 2 on a GPU."
    )
    max_queue: int = Field(
        256, ge=1, description="Photographs waiting before new ones are refused with 503; lower it for short deadlines."
    )
    deadline_ms: float = Field(5000.0, gt=0, description="Answer by then, in the manual lane if need be; set it to your pitch.")
    manual_below: float = Field(
        0.5, ge=0, le=1, description="Confidence under which a fruit goes to the manual lane; 0 sends none."
    )
    max_body_bytes: int = Field(
        16 * 2**20, ge=1024, description="Largest upload accepted; raise it for large uncompressed frames."
    )
    max_held_bytes: int = Field(
        64 * 2**20, ge=1024, description="Bytes of photographs in memory at once before new ones are refused with 503."
    )
    body_timeout_ms: float = Field(
        10_000.0, gt=0, description="A photograph that takes longer to arrive is refused with 408; raise it on a slow network."
    )
    max_pixels: int = Field(25_000_000, ge=1024, description="Largest photograph accepted; memory grows with it.")
    records: Literal["on", "off"] = Field("on", description="off grades without keeping anything, for load tests.")
    keep: Literal["all", "none"] = Field("all", description="Photographs kept beside their gradings; none saves disk.")
    explain_workers: int = Field(
        1, ge=0, le=16, description="Processes that explain, for each that grades, started when first asked; 0 explains nothing."
    )
    explain_threads: int = Field(1, ge=1, le=64, description="Threads of each process that explains; raise it on idle cores.")
    explain_queue: int = Field(16, ge=1, le=1024, description="Explanations waiting before new ones are refused with 429.")
    explain_cache_bytes: int = Field(
        64 * 2**20, ge=0, description="Memory for explanations that may be asked for again; 0 keeps none."
    )

    @property
    def records_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'senka.db'}"

    @property
    def photographs(self) -> Path:
        return self.image_store or self.home / "photographs"
