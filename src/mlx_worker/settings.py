"""What can be set, from the environment, once: a frozen value that validates itself."""

import platform
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

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
}


class SettingsError(ValueError):
    """A setting is wrong. The message is one sentence that names the variable."""


def default_prefill_chunk() -> int:
    """Tokens. Small chunks are faster on a CPU; on Metal 512 keeps short requests quick at no loss of speed."""
    return 512 if sys.platform == "darwin" and platform.machine() == "arm64" else 256


class Settings(BaseModel):
    """`cache_bytes` None leaves the choice to the engine; `cache_entries` counts stored prefixes."""

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
    return f"{name} is not usable: {first['msg'][0].lower()}{first['msg'][1:]}"
