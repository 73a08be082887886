"""The names under which Claude Code knows models, and what a name tells about a request.

Claude Code decides by the name what a model can do. One that it does not know gets the short prompt, and honours
CLAUDE_CODE_MAX_CONTEXT_TOKENS; one that looks like Anthropic's gets the long prompt and a window of 200,000 (observed
with 2.1.197).
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from anyclaude.config.model import MODES
from anyclaude.config.routes import Routes, Target, parse_target

NAMELESS: Final = "local"
LISTED: Final = "anthropic/"
"""What an id in our list of models begins with: Claude Code shows no others in its menu."""

_LOOKS_KNOWN: Final = re.compile(r"claude|opus|sonnet|haiku|fable|^default$|^best$|^current-model$", re.IGNORECASE)
_ODD: Final = re.compile(r"[^A-Za-z0-9._:/@+-]+")
_LONGEST_NAME: Final = 80

Tier = Literal["opus", "sonnet", "haiku"]
TIERS: Final[tuple[Tier, ...]] = ("opus", "sonnet", "haiku")


def model_name(model_id: str) -> str:
    """The upstream's name for the model, as Claude Code shows it, in a form that it does not take for its own."""
    last = model_id.rstrip("/\\").replace("\\", "/")
    if last.startswith(("/", "~", ".")) or re.match(r"[A-Za-z]:/", last):
        last = last.rpartition("/")[2]  # a folder
    name = _ODD.sub("-", last)[:_LONGEST_NAME].strip("-")
    return NAMELESS if not name or _LOOKS_KNOWN.search(name) else name


def tier_names(routes: Routes) -> dict[Tier, str]:
    """The name that Claude Code is given for each tier with a route of its own. Different targets, different names."""
    names: dict[Target, str] = {}
    for tier in TIERS:
        target = getattr(routes, tier)
        if target is not None and target not in names:
            names[target] = _unused(_name(target), set(names.values()))
    return {tier: names[target] for tier in TIERS if (target := getattr(routes, tier)) is not None}


def named_target(name: str, tiers: Mapping[str, Target]) -> Target | None:
    """The target that a request's `model` names: one of our list, or a tier's name; None for any other name."""
    listed = name.removeprefix(LISTED)
    if listed.startswith(tuple(f"{mode}:" for mode in MODES)):
        return parse_target(listed, "lmstudio")
    return tiers.get(name)


def tier_of(name: str) -> Tier | None:
    """The tier of one of Anthropic's own ids."""
    if not name.startswith("claude-"):
        return None
    return next((tier for tier in TIERS if tier in name), None)


def _name(target: Target) -> str:
    if target.backend == "claude" and target.model:
        return target.model  # Claude's own names mean what Claude Code takes them for
    return model_name(str(target) if target.model else f"{target.backend}:default")


def _unused(name: str, used: set[str]) -> str:
    number = 2
    unused = name
    while unused in used:
        unused = f"{name}-{number}"
        number += 1
    return unused
