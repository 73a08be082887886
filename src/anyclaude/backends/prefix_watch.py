"""Whether a prompt begins with the agent's last one, said for each request: in its trace, and in the log from level 1.

What a server has computed for the last turn is of use only while the next prompt begins with it. Nothing is sent
upstream differently for what is found here.
"""

import logging
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any, Final

from anyclaude.backends.aside import aside
from anyclaude.backends.base import Caller
from anyclaude.config.debug import BASIC
from anyclaude.convert.prefix_change import PrefixChange, Prompt, prefix_change
from anyclaude.convert.roles import is_beside

_MOST_PROMPTS: Final = 64
_MOST_BYTES: Final = 64 * 1024 * 1024

log = logging.getLogger(__name__)


class PrefixWatch:
    """The last prompt of each agent, the latest of them all, within a bound."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._last: OrderedDict[Hashable, Prompt] = OrderedDict()
        self._room = most_bytes

    async def look(self, request: Mapping[str, Any], model: str, now: Prompt, caller: Caller) -> PrefixChange | None:
        """What a prompt keeps of the last one of its agent; None for the first, for the small jobs beside the
        conversation, and where nobody says who asks. now: what goes upstream for the request, to that model.
        """
        if caller.session_id is None or is_beside(request):
            return None
        agent = (caller.session_id, caller.agent_id, model)
        before = self._last.pop(agent, None)
        self._keep(agent, now)
        if before is None:
            return None
        change = await aside(now.size, prefix_change, before, now)
        _tell(change, caller)
        return change

    def _keep(self, agent: Hashable, prompt: Prompt) -> None:
        self._last[agent] = prompt
        while len(self._last) > _MOST_PROMPTS or sum(kept.size for kept in self._last.values()) > self._room:
            self._last.popitem(last=False)


def _tell(change: PrefixChange, caller: Caller) -> None:
    caller.journal.note(
        "prefix", kept_bytes=change.kept, before_bytes=change.before, cause=change.cause, block=change.block
    )
    if not change.whole:
        share = 100 * change.kept / max(change.before, 1)
        log.log(
            BASIC,
            "prompt: it begins with only %.0f%% of the last one; what differs first: %s, %s",
            share,
            change.block,
            change.cause,
        )
