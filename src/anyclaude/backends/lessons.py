"""What a server has refused, by the names of its models: it is not sent again for as long as we run."""

from collections.abc import Mapping
from functools import reduce
from typing import Any, Final

from anyclaude.backends.base import Caller
from anyclaude.convert.profile import Profile
from anyclaude.convert.refusals import learnt, refused_parameter
from anyclaude.errors import UpstreamError, UpstreamRefusedUs

MOST: Final = 4
"""Lessons of one request."""


class Lessons:
    """Those of one server."""

    def __init__(self) -> None:
        self._refused: dict[str, list[str]] = {}

    def of(self, model: str) -> tuple[str, ...]:
        """What this model has refused so far."""
        return tuple(self._refused.get(model, ()))

    def applied(self, profile: Profile, model: str) -> Profile:
        return reduce(learnt, self.of(model), profile)

    def learn(self, error: UpstreamError, sent: Mapping[str, Any], before: tuple[str, ...], caller: Caller) -> bool:
        """Whether the refusal says something that was not known before the request was made. sent: its body."""
        name = None if isinstance(error, UpstreamRefusedUs) else refused_parameter(error.message, sent)
        if name is None or name in before:
            return False
        known = self._refused.setdefault(sent["model"], [])
        if name not in known:  # else another request learnt it meanwhile
            known.append(name)
            caller.journal.note("learnt", model=sent["model"], refused=name, said=error.message)
        return True
