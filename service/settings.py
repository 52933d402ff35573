"""Every setting of the service: environment `SENKA_*`, or `senka.toml` in the working folder; the environment wins."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from models.places import Folder, Names, Places, Store


class Settings(Places):
    """Name, type, default, and one sentence saying when to change it."""

    model_config = SettingsConfigDict(extra="forbid")  # a misspelt line of senka.toml must not pass in silence

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 lets cameras on the network in.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes that grade; one for each core on a busy line.")
    database_url: str = Field(
        "", description="Where the records are, such as postgresql://user@host/senka; empty is SQLite in SENKA_HOME."
    )
    image_store: Store = Field(
        None, description="Folder of the photographs, or s3://bucket/prefix; empty is `photographs` in SENKA_HOME."
    )
    image_store_endpoint: str = Field("", description="URL of an object store that is not Amazon's, such as http://minio:9000.")
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
    max_batch_bytes: int = Field(
        512 * 2**20, ge=1024, description="Largest labelled batch accepted as a .zip; send a large one in parts instead."
    )
    body_timeout_ms: float = Field(
        10_000.0, gt=0, description="A photograph that takes longer to arrive is refused with 408; raise it on a slow network."
    )
    max_pixels: int = Field(25_000_000, ge=1024, description="Largest photograph accepted; memory grows with it.")
    records: Literal["on", "off"] = Field("on", description="off grades without keeping anything, for load tests.")
    durability: Literal["sync", "async"] = Field(
        "sync", description="sync: on disk before it is answered; async answers first, and a crash loses the last moments."
    )
    journal_bytes: int = Field(
        64 * 2**20, ge=0, description="Gradings kept in a local journal while the database is away; then 503. 0 keeps none."
    )
    keep: Literal["all", "interesting", "none"] = Field(
        "all", description="Photographs kept: interesting is unsure ones, disagreements and a sample; none saves disk."
    )
    keep_below: float = Field(0.8, ge=0, le=1, description="Confidence under which a photograph is interesting.")
    keep_share: float = Field(0.02, ge=0, le=1, description="Share of all photographs that is kept as an audit sample.")
    keep_days: float = Field(0, ge=0, description="Days that ordinary photographs are kept; 0 is for ever.")
    keep_interesting_days: float = Field(0, ge=0, description="Days that interesting photographs are kept; 0 is for ever.")
    keep_bytes: int = Field(
        0, ge=0, description="Bytes of photographs kept in all, oldest and least interesting deleted first; 0 has no limit."
    )
    disk_reserve_bytes: int = Field(
        2**30, ge=0, description="Free disk under which photographs are no longer stored, so that gradings still are."
    )
    spool_bytes: int = Field(
        2**30, ge=0, description="Photographs waiting on disk for an object store that is away; then they are not stored."
    )
    auth: Literal["auto", "required", "off"] = Field(
        "auto", description="auto asks everybody but this machine for credentials, required asks all, off asks nobody."
    )
    trusted_hosts: Names = Field(
        (),
        description="Names this service is called by, comma-separated, others are refused; empty takes any, with auth off "
        "addresses only.",
    )
    trusted_proxies: Names = Field((), description="Addresses of proxies whose forwarded headers are believed, comma-separated.")
    tls_certificate: Folder = Field(None, description="PEM file of the certificate chain, to serve https without a proxy.")
    tls_key: Folder = Field(None, description="PEM file of the certificate's private key.")
    session_hours: float = Field(12.0, gt=0, le=24 * 90, description="Hours until an operator has to log in again.")
    rate_per_s: float = Field(0.0, ge=0, description="Photographs a second that one camera may post to each worker; 0 is any.")
    head_timeout_ms: float = Field(10_000.0, gt=0, description="A request whose headers take longer to arrive is hung up on.")
    max_connections: int = Field(1024, ge=16, description="Open connections of each worker before new ones are refused.")
    shadow_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the photographs that a challenger grades too, unseen, in idle time; 0 spares its time and memory.",
    )
    rollback_manual_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="A promoted model that sends more than this share of a worker's first 200 fruits to the manual lane is "
        "rolled back; 0 never does.",
    )
    rollback_disagreement: float = Field(
        0.0,
        ge=0,
        le=1,
        description="A promoted model that contradicts the one before on more than this share of the first 200 fruits that "
        "a worker let both grade is rolled back; 0 never does. It needs SENKA_SHADOW_SHARE.",
    )
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
    def batches(self) -> Path:
        """Labelled batches that were taken in."""
        return self.home / "batches"

    @property
    def photographs(self) -> Path:
        """The folder that photographs are written to: the store itself, or what waits for an object store."""
        return self.image_store if isinstance(self.image_store, Path) else self.home / "photographs"
