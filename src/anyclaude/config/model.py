"""The settings tree: frozen, and it validates itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from anyclaude.config.upstreams import Backends, Frozen, WebSearching

Mode = Literal["claude", "lmstudio", "openrouter", "mlx-cluster"]
MODES: tuple[Mode, ...] = ("claude", "lmstudio", "openrouter", "mlx-cluster")

DebugLevel = Annotated[int, Field(ge=0, le=3)]


Titles = Literal["model", "words"]
"""Who thinks of a session's title: the model, or nobody, and it is the first words."""


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


class Models(Frozen):
    """Which model answers for a tier or a role of Claude Code's: `model`, or `backend:model`; None: the main one.

    opus, sonnet, haiku: requests that name that tier. subagent: all requests of subagents. background: titles and
    summaries. classifier: whether a command may run, in auto mode. vision: who describes images to a model that takes
    none.
    """

    opus: str | None = None
    sonnet: str | None = None
    haiku: str | None = None
    subagent: str | None = None
    background: str | None = None
    classifier: str | None = None
    vision: str | None = None


class Traces(Frozen):
    """Bounds of what is kept of past requests: megabytes for each mode, and days."""

    max_megabytes: Annotated[int, Field(gt=0)] = 500
    max_days: Annotated[float, Field(gt=0)] = 30.0


class ProfileChange(Frozen):
    """What a person, or `--test-model`, knows better about a model than we do; see `convert.profile.Profile`."""

    tools: bool | None = None
    images: bool | None = None
    named_tool_choice: bool | None = None
    none_tool_choice: bool | None = None
    parallel_tool_calls: bool | None = None
    response_format: bool | None = None
    response_format_with_tools: bool | None = None
    thinking_switch: bool | None = None
    efforts: tuple[str, ...] | None = None
    context_window: Annotated[int, Field(gt=0)] | None = None
    max_output: Annotated[int, Field(gt=0)] | None = None
    refused: tuple[str, ...] | None = None
    repairs: bool | None = None
    text_calls: bool | None = None
    thinking_opened: bool | None = None


class Settings(Frozen):
    """model: in place of the chosen backend's own. debug: 0 to 3; None: 3 where traces are kept by default, else 0.
    ui: the proxy shows sessions and turns in a browser.

    keep_own_words: what Claude Code changes in the models' calls is kept in `home`, so that the prompt of a session
    stays the same behind a new start. status_line: ours below Claude Code's prompt, where the person has none.
    """

    mode: Mode = "lmstudio"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    model: str | None = None
    auth_token: SecretStr | None = None
    proxy_only: bool = False
    ui: bool = False
    full_tools: bool = False
    skip_setup_check: bool = False
    titles: Titles = "model"
    keep_own_words: bool = True
    status_line: bool = True
    home: Path = Path("~/.anyclaude")
    debug: DebugLevel | None = None
    traces: Traces = Traces()
    deadlines: Deadlines = Deadlines()
    models: Models = Models()
    web_search: WebSearching = WebSearching()
    backends: Backends = Backends()
    profiles: Mapping[str, ProfileChange] = Field(default_factory=dict)

    @property
    def debug_level(self) -> int:
        """0 to 3. Claude and OpenRouter are looked at to learn from them, and who wants the pages wants to see
        something, so there everything is kept by default.
        """
        if self.debug is not None:
            return self.debug
        return 3 if self.ui or self.mode in ("claude", "openrouter") else 0
