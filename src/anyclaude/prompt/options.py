"""What the chain is asked to do, and what it says it did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FilterTier = Literal["auto", "minimal", "moderate", "aggressive", "extreme"]
SlimTools = Literal["off", "noise", "short"]
Stage = Literal["smart", "safe-filter", "truncation", "passthrough"]


@dataclass(frozen=True, slots=True)
class Options:
    """The steps that may be taken: smart prompt, else safe filter, else truncation, else the prompt as it is.

    max_system_tokens: what truncation leaves of the system prompt.
    slim_tools: `noise` drops what no model reads from tool schemas, `short` also shortens the descriptions.
    allowed_tools: the tools that are offered, by name; None: all.
    stable: what belongs to one session moves from the system prompt into its first message.
    """

    smart: bool = False
    safe_filter: bool = False
    tier: FilterTier = "auto"
    truncate: bool = False
    max_system_tokens: int = 2000
    slim_tools: SlimTools = "off"
    allowed_tools: frozenset[str] | None = None
    stable: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What was done to one request. Tokens are estimates.

    stage: the step that made the system prompt what it is. tier: the one that was applied, where that step has tiers.
    present, missing: patterns of critical parts that the result was checked for.
    removed, shortened: headings of the sections that were left out, or lost some of their words; the others stayed.
    tools_left_out: names.
    notes: one sentence for every turn that was not the first choice ("moderate dropped ..., so minimal"), and for each
    section about something the user has that was cut down to its first line.
    """

    stage: Stage
    tier: FilterTier | None
    system_tokens_before: int
    system_tokens_after: int
    tool_tokens_before: int
    tool_tokens_after: int
    present: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    shortened: tuple[str, ...] = ()
    tools_left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return (self.system_tokens_before, self.tool_tokens_before) != (
            self.system_tokens_after,
            self.tool_tokens_after,
        )


@dataclass(frozen=True, slots=True)
class Optimised:
    """request: the one that was given where nothing had to change, else a copy that shares what is unchanged."""

    request: Mapping[str, Any]
    report: Report
