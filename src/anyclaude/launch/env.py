"""The environment that claude is started with: what it inherits, less what would lead it past us, plus what it needs.

A pure function. What the variables do was observed with Claude Code 2.1.197.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from anyclaude.config.names import Tier, model_name

_MODEL_VARIABLES: Final = (
    "ANTHROPIC_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_FABLE_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
)

# Other ways to a model, or another login. Besides these, every inherited ANTHROPIC_* goes.
_OTHER_WAYS_TO_A_MODEL: Final = """
    CLAUDE_CODE_USE_BEDROCK CLAUDE_CODE_USE_VERTEX CLAUDE_CODE_USE_FOUNDRY CLAUDE_CODE_USE_GATEWAY
    CLAUDE_CODE_USE_MANTLE CLAUDE_CODE_USE_ANTHROPIC_AWS CLAUDE_CODE_API_BASE_URL
    CLAUDE_CODE_SIMULATE_PROXY_USAGE CLAUDE_CODE_OAUTH_TOKEN
    CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR CLAUDE_CODE_SUBAGENT_MODEL
    _CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL
"""
_OTHER_WAYS: Final = frozenset(_OTHER_WAYS_TO_A_MODEL.split())

_OUR_VARIABLES: Final = """
    ANYCLAUDE_AUTH_TOKEN LMSTUDIO_API_KEY OPENROUTER_API_KEY MLX_WORKER_TOKEN MLX_CLUSTER_NODES MLX_CLUSTER_KEY
"""
_OURS: Final = frozenset(_OUR_VARIABLES.split())
"""Keys that claude has no use for. It runs commands, and they would see them."""

_SEARCH: Final = frozenset(("TAVILY_API_KEY", "BRAVE_API_KEY"))
"""The same, beside a model that we search the web for. In claude mode they may be for a server of the person's own."""

# Claude Code lets the `env` of its own settings files win over what it inherits, a base URL there included; the first
# of these makes it leave the variables of providers alone. The second: a window of a million tokens is never on offer.
_FIRM: Final = {
    "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": "1",
    "CLAUDE_CODE_DISABLE_1M_CONTEXT": "1",
    "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",  # /model lists what GET /v1/models offers
    "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",  # it differs from session to session, and stands first in the prompt
}

# A local model may compute a long prompt for many minutes; Claude Code gives up after 5 minutes of silence otherwise.
_PATIENCE: Final = {
    "API_TIMEOUT_MS": "3600000",
    "API_FORCE_IDLE_TIMEOUT": "0",
    "CLAUDE_STREAM_IDLE_TIMEOUT_MS": "3600000",
}

_TOKEN_HEADER: Final = "x-anyclaude-token"  # noqa: S105, a name

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LOOPBACK: Final = ("127.0.0.1", "localhost")

# Claude Code compacts by itself at window - min(max_tokens, 20000) - 13000 tokens, if that is switched on.
_OUTPUT_CAP: Final = 20_000
_RESERVE: Final = 13_000
_ROOM_TO_WORK: Final = 4_000
_LARGEST_OUTPUT: Final = 32_000
_SMALLEST_OUTPUT: Final = 512


@dataclass(frozen=True, slots=True)
class ChildEnvironment:
    """variables: all of the child's environment. dropped: names of inherited variables that would have conflicted."""

    variables: Mapping[str, str]
    dropped: tuple[str, ...]


def child_environment(
    inherited: Mapping[str, str],
    *,
    url: str,
    token: str,
    model_id: str,
    window: int | None,
    prompt_tokens: int,
    tiers: Mapping[Tier, str] | None = None,
) -> ChildEnvironment:
    """The environment for a claude that talks to the proxy at `url`.

    window: the model's context in tokens, None if unknown. prompt_tokens: what the launch itself takes of it. tiers:
    the names of the tiers that have a model of their own.
    """
    kept = without_foreign_keys(inherited)
    name = model_name(model_id)
    variables = {
        **_PATIENCE,
        **window_variables(window, prompt_tokens, inherited),
        **kept,
        **_past_proxies(kept),
        **dict.fromkeys(_MODEL_VARIABLES, name),
        **_tier_variables(tiers or {}),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": token,
        **_FIRM,
    }
    return ChildEnvironment(variables, tuple(sorted(name for name in inherited if _conflicts(name))))


def claude_environment(inherited: Mapping[str, str], *, url: str, token: str) -> ChildEnvironment:
    """The environment for a claude whose requests the proxy at `url` hands on to Claude: login, keys and models stay.

    Our token rides in a header of its own beside the person's, because the credential headers are Claude's.
    """
    kept = {name: value for name, value in inherited.items() if name not in _OURS}
    return ChildEnvironment({**kept, **_past_proxies(kept), **claude_exports(inherited, url, token)}, ())


def claude_exports(inherited: Mapping[str, str], url: str, token: str) -> dict[str, str]:
    """The two variables that lead a claude through the proxy at `url`. The person's own headers are kept."""
    lines = inherited.get("ANTHROPIC_CUSTOM_HEADERS", "").splitlines()
    kept = [line for line in lines if line.strip() and line.partition(":")[0].strip().lower() != _TOKEN_HEADER]
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_CUSTOM_HEADERS": "\n".join([*kept, f"{_TOKEN_HEADER}: {token}"]),
    }


def without_foreign_keys(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment for a worker of ours: no keys and no logins of other services."""
    ours = _OURS | _SEARCH
    return {name: value for name, value in inherited.items() if not _conflicts(name) and name not in ours}


def window_variables(window: int | None, prompt_tokens: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """The window and what follows from it: the longest answer, and compaction before the window is full.

    Compaction is switched on only where its threshold leaves room to work; below it Claude Code still compacts when the
    proxy answers `prompt is too long`. CLAUDE_CODE_AUTO_COMPACT_WINDOW counts as 100,000 at least, then as the window.
    """
    if window is None:
        return {}
    output = max(_SMALLEST_OUTPUT, min(_LARGEST_OUTPUT, window // 8))
    variables = {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(window), "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(output)}
    planned = _number(inherited.get("CLAUDE_CODE_MAX_OUTPUT_TOKENS")) or output
    threshold = window - min(planned, _OUTPUT_CAP) - _RESERVE
    if threshold >= prompt_tokens + _ROOM_TO_WORK:
        variables["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] = str(max(window, 100_000))
    return variables


def _tier_variables(tiers: Mapping[Tier, str]) -> dict[str, str]:
    """Small jobs ask for the haiku tier, or for ANTHROPIC_SMALL_FAST_MODEL where it is set."""
    variables = {f"ANTHROPIC_DEFAULT_{tier.upper()}_MODEL": name for tier, name in tiers.items()}
    return variables | ({"ANTHROPIC_SMALL_FAST_MODEL": tiers["haiku"]} if "haiku" in tiers else {})


def _conflicts(name: str) -> bool:
    return name.startswith("ANTHROPIC_") or name in _OTHER_WAYS


def _past_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY in both spellings with loopback added, when the environment names a proxy."""
    if not any(environ.get(name) or environ.get(name.lower()) for name in _PROXIES):
        return {}
    given = [environ.get("NO_PROXY", ""), environ.get("no_proxy", "")]
    value = ",".join(dict.fromkeys(_entries([*given, *_LOOPBACK])))
    return {"NO_PROXY": value, "no_proxy": value}


def _entries(lists: Iterable[str]) -> list[str]:
    return [entry.strip() for text in lists for entry in text.split(",") if entry.strip()]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
