"""Why tokens of prompts were computed: what nobody could have known, and what a node lacked though one had computed it.

Of each agent's requests in a row, a prompt is what its last prompt and answer were, and what is new since.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from cluster_report import Answer, Phase

Cause = Literal["new", "prefix", "prefix again", "answer again", "moved", "lost at home"]
CAUSES: Final[Mapping[Cause, str]] = {
    "new": "new",
    "prefix": "a prefix, first at its node",
    "prefix again": "a prefix that had gone",
    "answer again": "the last answer",
    "moved": "history, at another node",
    "lost at home": "history that had gone",
}
HEAD: Final = f"| strategy | {' | '.join(CAUSES.values())} |\n|---|{'---|' * len(CAUSES)}"
SLACK: Final = 32
"""Tokens by which a prompt's end may be rendered in another way than it was before."""


def table(found: Mapping[Any, Sequence[Phase]]) -> str:
    """Computed tokens a turn by their cause."""
    return "\n".join([HEAD, *(_row(strategy, phases) for strategy, phases in found.items())])


def moves(found: Mapping[Any, Sequence[Phase]]) -> str:
    """How often agents went to another node, by the reason that the strategy gave."""
    return "\n".join(f"\n{strategy}: {_moves(phases)}" for strategy, phases in found.items())


def _moves(phases: Sequence[Phase]) -> str:
    reasons: Counter[str] = Counter()
    for phase in phases:
        last: dict[str, str] = {}
        for turn in sorted(phase.turns, key=lambda turn: turn.at):
            reasons[turn.why] += last.get(turn.who, turn.node) != turn.node
            last[turn.who] = turn.node
    return ", ".join(f"{count} moves: {why}" for why, count in reasons.most_common() if count) or "no moves"


def _row(strategy: str, phases: Sequence[Phase]) -> str:
    turns = sum(len(phase.turns) for phase in phases)
    total: Counter[Cause] = sum((computed(phase.turns, phase.prefixes) for phase in phases), Counter())
    return f"| {' | '.join([strategy, *(f'{total[cause] / turns:.0f}' for cause in CAUSES)])} |"


def computed(turns: Iterable[Answer], prefixes: Mapping[str, int]) -> Counter[Cause]:
    """Computed tokens of turns by their cause. prefixes: tokens of the prefix of each kind of agent."""
    causes: Counter[Cause] = Counter()
    last: dict[str, Answer] = {}
    reached: set[tuple[str, str]] = set()
    for turn in sorted(turns, key=lambda turn: turn.at):
        before = last.get(turn.who)
        prefix = prefixes[turn.kind]
        known = min(before.prompt + before.output if before else prefix, turn.prompt)
        lacking = max(known - turn.cached, 0)
        of_prefix = max(prefix - turn.cached, 0) if lacking > SLACK else 0
        causes["new"] += turn.computed - lacking
        causes["prefix again" if (turn.node, turn.kind) in reached else "prefix"] += of_prefix
        causes[_of_history(turn, before, lacking)] += lacking - of_prefix
        reached.add((turn.node, turn.kind))
        last[turn.who] = turn
    return causes


def _of_history(turn: Answer, before: Answer | None, lacking: int) -> Cause:
    if before is None:
        return "new"
    if lacking <= before.output + SLACK:
        return "answer again"
    return "moved" if turn.node != before.node else "lost at home"
