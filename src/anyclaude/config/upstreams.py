"""What can be set for each backend. In JSON the keys are the seed's: `baseUrl`, `safeSystemFilter`, `mlx-cluster`.

No backend's key has a default that is a secret; LM Studio's is the word that it expects when it checks nothing.
"""

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from anyclaude.prompt.options import FilterTier, SlimTools

Strategy = Literal["round-robin", "least-loaded", "cache-aware", "latency-based"]

_OWN_KEYS: Final = {"url": "baseUrl", "mode": "backend", "mlx_cluster": "mlx-cluster"}


def json_key(name: str) -> str:
    """The key in a JSON file for a setting of that name."""
    return _OWN_KEYS.get(name) or to_camel(name)


class Frozen(BaseModel):
    """Settings by their own names in Python, by `json_key` in JSON. A complaint names the former."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=json_key,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
    )


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a http:// or https:// URL")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class Prompting(Frozen):
    """The prompt chain of one backend: smart prompt, else safe filter, else truncation, else the prompt as it is.

    system_prompt_max_tokens: what truncation leaves of the system prompt, in tokens.
    slim_tools: `noise` drops what no model reads from tool schemas, `short` also shortens the descriptions.
    tool_allowlist: the tools that are offered, by name; None: all.
    """

    smart_system_prompt: bool = False
    safe_system_filter: bool = False
    filter_tier: FilterTier = "auto"
    truncate_system_prompt: bool = False
    system_prompt_max_tokens: Annotated[int, Field(ge=100)] = 2000
    slim_tools: SlimTools = "off"
    tool_allowlist: tuple[str, ...] | None = None


class LMStudio(Prompting):
    """`fallback` of every backend: models, or `backend:model`, to ask in turn when this one does not answer."""

    enabled: bool = True
    url: HttpUrl = "http://localhost:8082/v1"
    model: str = "current-model"
    api_key: SecretStr = SecretStr("lm-studio")
    fallback: tuple[str, ...] = ()
    safe_system_filter: bool = True
    slim_tools: SlimTools = "noise"


_Line = Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,200}$")]
"""What may stand in a header."""


class OpenRouter(Prompting):
    """models, provider, reasoning: sent as they stand; OpenRouter's own words for its own choices.

    models: other models that OpenRouter itself tries when the first is not to be had.
    model_list_hours: for how long the list of models that was fetched last counts as fresh.
    referer, title: address and name under which OpenRouter counts the requests as those of an app; None: not sent.
    """

    enabled: bool = True
    url: HttpUrl = "https://openrouter.ai/api/v1"
    model: str = "google/gemini-2.5-flash"
    api_key: SecretStr | None = None
    models: tuple[str, ...] = ()
    provider: dict[str, Any] = Field(default_factory=dict)
    reasoning: dict[str, Any] = Field(default_factory=dict)
    model_list_hours: Annotated[float, Field(ge=0)] = 24.0
    referer: Annotated[_Line, AfterValidator(_http_url)] | None = None
    title: _Line | None = "anyclaude"
    fallback: tuple[str, ...] = ()


class Claude(Frozen):
    """Passed through byte for byte, so no prompt chain. api_key: for requests that Claude Code did not make."""

    enabled: bool = True
    url: HttpUrl = "https://api.anthropic.com"
    api_key: SecretStr | None = None
    fallback: tuple[str, ...] = ()


class NodeKeys(Frozen):
    """A node's own keys are those of the seed's list: `id`, `url`."""

    model_config = ConfigDict(alias_generator=to_camel)


class Node(NodeKeys):
    """One worker of the cluster. `url` with or without `/v1`."""

    id: str
    url: HttpUrl
    token: SecretStr | None = None


class MlxCluster(Prompting):
    """health_interval: milliseconds between two health checks of a node."""

    enabled: bool = True
    model: str = "current-model"
    nodes: tuple[Node, ...] = ()
    strategy: Strategy = "cache-aware"
    health_interval: Annotated[int, Field(gt=0)] = 30_000
    fallback: tuple[str, ...] = ()
    safe_system_filter: bool = True
    slim_tools: SlimTools = "noise"


class Backends(Frozen):
    lmstudio: LMStudio = LMStudio()
    openrouter: OpenRouter = OpenRouter()
    claude: Claude = Claude()
    mlx_cluster: MlxCluster = MlxCluster()
