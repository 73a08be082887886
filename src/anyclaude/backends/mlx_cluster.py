"""The MLX cluster. With one node it is that worker; choosing among several is the cluster package's business."""

from typing import Any, Final

from anyclaude.backends.base import Caller, ModelInfo
from anyclaude.backends.chat import CURRENT_MODEL, ChatBackend
from anyclaude.backends.http import Upstream
from anyclaude.config.model import Deadlines
from anyclaude.config.profiles import NO_CHANGES, Changes
from anyclaude.config.upstreams import Node
from anyclaude.convert.profile import Profile
from anyclaude.errors import AnyclaudeError, SetupError

_ASK: Final = 5.0

PROFILE: Final = Profile(
    images=False,
    top_k=True,
    thinking_switch=True,
    thinking_field="reasoning_content",
    none_tool_choice=True,
    response_format_with_tools=True,
)


class MlxClusterBackend(ChatBackend):
    """One `mlx_worker`, or any OpenAI-compatible server that says its context length."""

    def __init__(self, node: Node, model: str | None, deadlines: Deadlines, changes: Changes = NO_CHANGES) -> None:
        base = node.url if node.url.endswith("/v1") else f"{node.url}/v1"
        token = node.token.get_secret_value() if node.token else None
        self._node = node
        upstream = Upstream(base, token, deadlines.connect)
        super().__init__("mlx-cluster", upstream, model or CURRENT_MODEL, PROFILE, deadlines, changes)

    def headers(self, caller: Caller) -> dict[str, str]:
        """A session sticks to its cache; subagents share the session but not the prompt."""
        if caller.session_id is None or not (caller.session_id + (caller.agent_id or "")).isascii():
            return {}
        return {"x-session-id": f"{caller.session_id}/{caller.agent_id or 'main'}"}

    async def models(self) -> list[ModelInfo]:
        reply = await self._upstream.get("models", _ASK)
        entries = reply.get("data") if isinstance(reply, dict) else None
        if not isinstance(entries, list):
            return []
        return self.heard(
            [_model(entry) for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
        )

    async def ready(self, model: str | None = None) -> ModelInfo:
        """The model that the node has loaded. Raises SetupError with the next step."""
        try:
            found = await self.models()
        except AnyclaudeError as error:
            raise SetupError(f"node {self._node.id} at {self._upstream.origin}: {error.message}") from error
        if not found:
            raise SetupError(f"node {self._node.id} at {self._upstream.origin} has no model loaded yet")
        return found[0]


def _model(entry: dict[str, Any]) -> ModelInfo:
    window, tools = entry.get("context_length"), entry.get("supports_tools")
    return ModelInfo(
        entry["id"], window if isinstance(window, int) else None, tools if isinstance(tools, bool) else None
    )
