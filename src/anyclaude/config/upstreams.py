"""What can be set for each backend. In JSON the keys are the seed's: `baseUrl`, `safeSystemFilter`, `mlx-cluster`.

No backend's key has a default that is a secret; LM Studio's is the word that it expects when it checks nothing.
"""

import re
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from anyclaude.prompt.options import FilterTier, SlimTools

Strategy = Literal["round-robin", "least-loaded", "cache-aware", "latency-based"]

Finding = Literal["static", "dns", "mdns"]

LONGEST_LIST: Final = 256
"""Nodes that can be named."""
SHORTEST_KEY: Final = 16
"""Characters of a cluster's key: whoever asks for a proof can try keys at home."""

_NODE_ID: Final = re.compile(r"[\w.:@-]([\w .:@-]{0,62}[\w.:@-])?")
_OWN_KEYS: Final = {"url": "baseUrl", "mode": "backend", "mlx_cluster": "mlx-cluster", "found_by": "mode"}


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
    if parts.scheme not in ("http", "https") or not parts.hostname or not value.isprintable() or " " in value:
        raise ValueError("must be a http:// or https:// URL")
    return value.rstrip("/")


def _bare_url(value: str) -> str:
    parts = urlsplit(value)
    try:
        usable = parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must have a port from 1 to 65535, or none")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be the address alone: no login (a key has a setting of its own), no query, no fragment")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url), AfterValidator(_bare_url)]
"""The address of a server: a path is appended to it, and a key goes beside it."""


class Prompting(Frozen):
    """The prompt chain of one backend: smart prompt, else safe filter, else truncation, else the prompt as it is.

    system_prompt_max_tokens: what truncation leaves of the system prompt, in tokens.
    slim_tools: `noise` drops what no model reads from tool schemas, `short` also shortens the descriptions.
    tool_allowlist: the tools that are offered, by name; None: all.
    stable_prompt: folder, git status and memory move from the system prompt into the first message, so that sessions
    and projects share what is computed of system prompt and tools.
    """

    smart_system_prompt: bool = False
    safe_system_filter: bool = False
    filter_tier: FilterTier = "auto"
    truncate_system_prompt: bool = False
    system_prompt_max_tokens: Annotated[int, Field(ge=100)] = 2000
    slim_tools: SlimTools = "off"
    tool_allowlist: tuple[str, ...] | None = None
    stable_prompt: bool = False


class LMStudio(Prompting):
    """`fallback` of every backend: models, or `backend:model`, to ask in turn when this one does not answer."""

    enabled: bool = True
    url: HttpUrl = "http://localhost:8082/v1"
    model: str = "current-model"
    api_key: SecretStr = SecretStr("lm-studio")
    fallback: tuple[str, ...] = ()
    safe_system_filter: bool = True
    slim_tools: SlimTools = "noise"
    stable_prompt: bool = True


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


def _node_id(value: str) -> str:
    if not _NODE_ID.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, spaces or any of . : @ _ -")
    return value


class NodeKeys(Frozen):
    """A node's own keys are those of the seed's list: `id`, `url`."""

    model_config = ConfigDict(alias_generator=to_camel)


def _sendable(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x20-\x7e]*", value.get_secret_value()):
        raise ValueError("must be letters, digits and signs of ASCII, since it goes into a header")
    return value


Token = Annotated[SecretStr, AfterValidator(_sendable)]


class Node(NodeKeys):
    """One worker of the cluster. `url` with or without `/v1`. token: what it wants of every request."""

    id: Annotated[str, AfterValidator(_node_id)]
    url: HttpUrl
    token: Token | None = None


def _cluster_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"must be at least {SHORTEST_KEY} characters, the same as the workers' MLX_WORKER_TOKEN")
    return _sendable(value)


class Discovery(Frozen):
    """Where nodes are found.

    found_by: `static`: they are those of `nodes`. `dns`: every address that a node's name has is a node. `mdns`: those
    of `nodes`, and whoever announces itself in the local network and proves that it knows the key.
    key: the one secret that the workers of the cluster have in common.
    """

    found_by: Finding = "static"
    nodes: tuple[Node, ...] = ()
    key: Annotated[SecretStr, AfterValidator(_cluster_key)] | None = None

    @field_validator("nodes")
    @classmethod
    def _told_apart(cls, nodes: tuple[Node, ...], known: ValidationInfo) -> tuple[Node, ...]:
        if len(nodes) > LONGEST_LIST:
            raise ValueError(f"must hold at most {LONGEST_LIST} nodes")
        _refuse_repeated("id", [node.id for node in nodes])
        _refuse_repeated("url", [node.url.removesuffix("/v1") for node in nodes])
        if known.data.get("found_by") == "dns" and any(node.url.startswith("https:") for node in nodes):
            raise ValueError("must have http:// URLs with mode dns: a certificate is for a name, not for its addresses")
        return nodes


def _refuse_repeated(key: str, values: list[str]) -> None:
    first: dict[str, int] = {}
    for place, value in enumerate(values, 1):
        if first.setdefault(value, place) != place:
            raise ValueError(f"must not repeat itself: entries {first[value]} and {place} have the same {key}")


class Routing(Frozen):
    """max_retries: other nodes that are asked after the first one failed. retry_delay_ms: before each of them.

    max_wait_ms: for how long a request waits while all nodes are busy; 0: not at all.
    """

    strategy: Strategy = "cache-aware"
    max_retries: Annotated[int, Field(ge=0, le=10)] = 2
    retry_delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 100
    max_wait_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 300_000


class Health(Frozen):
    """check_interval_ms, timeout_ms: of the probes of a node. max_consecutive_failures: then it is not asked any more.

    unhealthy_threshold: the share of its last requests, 0 to 1, that may fail before it counts as unwell.
    """

    check_interval_ms: Annotated[int, Field(ge=100, le=3_600_000)] = 30_000
    timeout_ms: Annotated[int, Field(ge=10, le=600_000)] = 5_000
    max_consecutive_failures: Annotated[int, Field(ge=1, le=1_000)] = 3
    unhealthy_threshold: Annotated[float, Field(gt=0, le=1)] = 0.5


class KnownPrefixes(Frozen):
    """What is believed of the nodes' caches.

    max_cache_age_sec, max_cache_size_tokens: bounds of what is remembered of one node. min_cache_hit_rate: 0 to 1;
    below it, where a prompt was is no reason to send it there again.
    """

    max_cache_age_sec: Annotated[int, Field(ge=1)] = 3_600
    max_cache_size_tokens: Annotated[int, Field(ge=1)] = 1_000_000
    min_cache_hit_rate: Annotated[float, Field(ge=0, le=1)] = 0.7


class Cluster(Frozen):
    """What `mlx-cluster.json` holds. The same keys are in `backends.mlx-cluster` of a settings file."""

    discovery: Discovery = Discovery()
    routing: Routing = Routing()
    health: Health = Health()
    cache: KnownPrefixes = KnownPrefixes()


class MlxCluster(Cluster, Prompting):
    enabled: bool = True
    model: str = "current-model"
    fallback: tuple[str, ...] = ()
    safe_system_filter: bool = True
    slim_tools: SlimTools = "noise"
    stable_prompt: bool = True

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Those that are named; others may be found."""
        return self.discovery.nodes

    @property
    def is_empty(self) -> bool:
        """No node is named, and none is looked for: a worker is started here."""
        return not self.discovery.nodes and self.discovery.found_by != "mdns"

    def of(self, *nodes: Node) -> Self:
        """The same cluster with these nodes and no others."""
        return self.model_copy(update={"discovery": Discovery(nodes=nodes, key=self.discovery.key)})


class WebSearching(Frozen):
    """Who searches the web for Claude Code: the address of a SearXNG, keys of Tavily and Brave, asked in that order."""

    searxng: HttpUrl | None = None
    tavily_key: Token | None = None
    brave_key: Token | None = None


class Backends(Frozen):
    lmstudio: LMStudio = LMStudio()
    openrouter: OpenRouter = OpenRouter()
    claude: Claude = Claude()
    mlx_cluster: MlxCluster = MlxCluster()
