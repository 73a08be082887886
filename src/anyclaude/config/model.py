"""The settings tree: frozen, and it validates itself."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

Mode = Literal["claude", "lmstudio", "openrouter", "mlx-cluster"]
MODES: tuple[Mode, ...] = ("claude", "lmstudio", "openrouter", "mlx-cluster")


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a http:// or https:// URL")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deadlines(Frozen):
    """Seconds that an upstream may take.

    connect: to accept a connection.
    first_event: to begin its answer. A local model may compute a long prompt for many minutes without a byte.
    progress: between two events of an answer that has begun. Some servers are silent while they write a long tool call.
    closing: to end the stream after it has said why it stopped.
    """

    connect: float = 10.0
    first_event: float = 3600.0
    progress: float = 600.0
    closing: float = 10.0


class LMStudio(Frozen):
    url: HttpUrl = "http://localhost:8082/v1"
    model: str = "current-model"
    api_key: SecretStr = SecretStr("lm-studio")


class Node(Frozen):
    """One worker of the cluster. `url` with or without `/v1`."""

    id: str
    url: HttpUrl
    token: SecretStr | None = None


class Cluster(Frozen):
    nodes: tuple[Node, ...] = ()


class Settings(Frozen):
    mode: Mode = "lmstudio"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    model: str | None = None
    auth_token: SecretStr | None = None
    proxy_only: bool = False
    full_tools: bool = False
    home: Path = Path("~/.anyclaude")
    deadlines: Deadlines = Deadlines()
    lmstudio: LMStudio = LMStudio()
    cluster: Cluster = Cluster()
