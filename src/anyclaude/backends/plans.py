"""Whom to ask: from a request's role, tier or model name to a list of candidates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anyclaude.backends.base import Caller
from anyclaude.config.model import Mode
from anyclaude.config.names import named_target, tier_names, tier_of
from anyclaude.config.routes import Routes, Target
from anyclaude.convert.roles import is_background, is_classifier


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is asked, in turn. reason: why the first of them."""

    candidates: tuple[Target, ...]
    reason: str

    def rest(self) -> "Plan":
        """The plan without its first candidate."""
        return replace(self, candidates=self.candidates[1:], reason=f"{self.candidates[0]} did not answer")


class Planner:
    """open: the backends that there are. fallbacks: for a target, whom to ask when it does not answer."""

    def __init__(
        self, routes: Routes, fallbacks: Mapping[Target, Sequence[Target]], open_backends: Collection[Mode]
    ) -> None:
        self._routes = routes
        self._fallbacks = fallbacks
        self._open = open_backends
        self._tiers = {name: getattr(routes, tier) for tier, name in tier_names(routes).items()}

    def plan(self, request: Mapping[str, Any], caller: Caller) -> Plan:
        """Where a request goes. A model that nobody knows by that name is the main one."""
        target, reason = self.target(request, caller)
        return Plan((target, *self.fallbacks(target)), reason)

    def fallbacks(self, target: Target) -> Sequence[Target]:
        """Whom to ask, in turn, when that one does not answer."""
        return self._fallbacks.get(target, ())

    def target(self, request: Mapping[str, Any], caller: Caller) -> tuple[Target, str]:
        """The first to be asked, and why."""
        routes, named = self._routes, request.get("model")
        name = named if isinstance(named, str) else ""
        if routes.background and is_background(request):
            return routes.background, "background"
        if routes.classifier and is_classifier(request):
            return routes.classifier, "classifier"
        if routes.subagent and caller.agent_id:
            return routes.subagent, "subagent"
        asked = named_target(name, self._tiers)
        if asked and asked.backend in self._open:
            return asked, "named"
        tier = tier_of(name)
        if tier and (target := getattr(routes, tier)):
            return target, tier
        return routes.main, "main"
