"""What can be set, from the environment, once: a frozen value that validates itself."""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)

from anyclaude.wire.proof import SHORTEST_SECRET

VARIABLES = {
    "model_path": "MLX_MODEL_PATH",
    "host": "MLX_HOST",
    "port": "MLX_PORT",
    "token": "MLX_WORKER_TOKEN",
    "allowed_hosts": "MLX_ALLOWED_HOSTS",
    "max_queue": "MLX_MAX_QUEUE",
    "max_batch": "MLX_MAX_BATCH",
    "prefill_chunk": "MLX_PREFILL_CHUNK",
    "cache_bytes": "MLX_CACHE_BYTES",
    "cache_entries": "MLX_CACHE_SIZE",
    "disk_cache_dir": "MLX_DISK_CACHE_DIR",
    "disk_cache_bytes": "MLX_DISK_CACHE_BYTES",
    "kv_bits": "MLX_KV_BITS",
    "draft_model": "MLX_DRAFT_MODEL",
    "drain_seconds": "MLX_DRAIN_SECONDS",
    "announce": "MLX_ANNOUNCE",
    "log_level": "MLX_LOG_LEVEL",
}


Level = Literal["debug", "info", "warning", "error"]


class SettingsError(ValueError):
    """A setting is wrong. The message is one sentence that names the variable."""


def default_prefill_chunk() -> int:
    """Tokens. Small chunks are faster on a CPU; on Metal 512 keeps short requests quick at no loss of speed."""
    return 512 if sys.platform == "darwin" and platform.machine() == "arm64" else 256


def _folder(value: object) -> object:
    """An absolute path, `~` allowed. What is relative would depend on where the worker was started."""
    path = Path(os.path.expanduser(value)) if isinstance(value, str) else value
    if isinstance(path, Path) and not path.is_absolute():
        raise ValueError(f"give an absolute path, not {str(path)!r}")
    return path


def _there(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise ValueError(f"there is no model folder {folder}")
    return folder


def _bits(bits: int) -> int:
    if bits not in (0, 4, 8):
        raise ValueError(f"take 0 (off), 4 or 8, not {bits}")
    return bits


def _level(level: object) -> object:
    return level.lower() if isinstance(level, str) else level


def _with_a_key(announce: bool, known: ValidationInfo) -> bool:
    token = known.data.get("token")
    if announce and (token is None or len(token.get_secret_value()) < SHORTEST_SECRET):
        raise ValueError(f"a worker that announces itself needs a MLX_WORKER_TOKEN of {SHORTEST_SECRET} characters")
    return announce


class Settings(BaseModel):
    """`cache_bytes` None leaves the choice to the engine; `cache_entries` counts stored prefixes.

    disk_cache_bytes: 0 is no disk tier; disk_cache_dir None leaves the choice of its folder to the engine.
    kv_bits: 0 keeps states as the model computes them. draft_model: a folder. drain_seconds: what answers in work get
    to finish in, once the worker is told to end. announce: say in the local network that this worker is there.
    log_level: from where on its lines are shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_path: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8081
    token: SecretStr | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_queue: Annotated[int, Field(ge=1, le=10_000)] = 64
    max_batch: Annotated[int, Field(ge=1, le=256)] = 8
    prefill_chunk: Annotated[int, Field(ge=16, le=16_384)] = Field(default_factory=default_prefill_chunk)
    cache_bytes: Annotated[int, Field(ge=0)] | None = None
    cache_entries: Annotated[int, Field(ge=0)] = 256
    disk_cache_dir: Annotated[Path, BeforeValidator(_folder)] | None = None
    disk_cache_bytes: Annotated[int, Field(ge=0)] = 0
    kv_bits: Annotated[int, AfterValidator(_bits)] = 0
    draft_model: Annotated[Path, BeforeValidator(_folder), AfterValidator(_there)] | None = None
    drain_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 15.0
    announce: Annotated[bool, AfterValidator(_with_a_key)] = False
    log_level: Annotated[Level, BeforeValidator(_level)] = "info"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Empty variables count as unset. Raises SettingsError."""
        given: dict[str, Any] = {
            field: environ[name].strip() for field, name in VARIABLES.items() if environ.get(name, "").strip()
        }
        if "allowed_hosts" in given:
            given["allowed_hosts"] = tuple(given["allowed_hosts"].replace(",", " ").split())
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = VARIABLES[str(first["loc"][0])]
    words = first["msg"].removeprefix("Value error, ")
    return f"{name} is not usable: {words[0].lower()}{words[1:]}"
