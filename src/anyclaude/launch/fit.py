"""A launch of Claude Code that fits the model's window: fewer tools, a shorter prompt.

A pure function over one table. The sizes are those of the first request that Claude Code 2.1.197 sends, interactive,
in an empty project; MCP servers and CLAUDE.md come on top of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from anyclaude.errors import SetupError

BYTES_PER_TOKEN: Final = 3.78
"""Of a small vocabulary: SmolLM2 counts 23,047 tokens in 87 KB of request. Larger ones reach 4.2."""

SHARE: Final = 0.44
"""The part of the window that the first request may take: the work needs the rest."""

STATIC: Final = "--exclude-dynamic-system-prompt-sections"
"""Moves what differs from project to project out of the system prompt, which can so be cached for all."""


@dataclass(frozen=True, slots=True)
class Size:
    """One way to start. request_bytes: its first request. tools: those on offer, None for all of them."""

    request_bytes: int
    tools: tuple[str, ...] | None
    flags: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        return round(self.request_bytes / BYTES_PER_TOKEN)


CORE: Final = ("Bash", "Read", "Edit", "Write")
PLANNING: Final = ("TaskCreate", "TaskUpdate", "TaskList", "AskUserQuestion", "ExitPlanMode")

WITH_TOOLS: Final = (
    Size(98_500, None),
    Size(29_000, (*CORE, *PLANNING, "WebFetch"), (STATIC,)),
    Size(13_100, CORE, (STATIC,)),
    Size(3_700, ("Bash", "Read", "Edit"), ("--bare",)),  # all that --bare leaves
)
# A model that cannot act needs no word on how to, and a small one is led astray by 6 KB of them.
WITHOUT_TOOLS: Final = (Size(610, (), ("--bare",)),)

# What a person says about tools and prompt counts more than what we would choose.
_OWN_TOOLS: Final = frozenset({"--tools", "--bare"})
_OWN_PROMPT: Final = frozenset({"--system-prompt", "--system-prompt-file", "--bare", STATIC})
_ALLOWING: Final = frozenset({"--allowedTools", "--allowed-tools"})
_COMMANDS: Final = """
    agents auth auto-mode doctor gateway install mcp plugin plugins project setup-token ultrareview update upgrade
"""
SUBCOMMANDS: Final = frozenset(_COMMANDS.split())
_TELLING: Final = frozenset({"--version", "-v", "--help", "-h"})


@dataclass(frozen=True, slots=True)
class Launch:
    """arguments: for claude. prompt_tokens: estimate of its first request. note: what to tell the person."""

    arguments: tuple[str, ...]
    prompt_tokens: int
    note: str | None = None


def needs_no_model(given: Sequence[str]) -> bool:
    """Whether claude is only asked for its version or its help, and so talks to nobody."""
    asked = given[-1:] if given and given[0] in SUBCOMMANDS else given[:1]
    return bool(_TELLING.intersection(asked))


def fit(given: Sequence[str], window: int | None, tools: bool | None, *, full: bool = False) -> Launch:
    """The arguments for claude: the person's own, with ours before them where the window asks for it.

    Raises SetupError when the window is too small for any launch.
    """
    everything = WITH_TOOLS[0]
    if full or (given and given[0] in SUBCOMMANDS):
        return Launch(tuple(given), everything.tokens)
    size = _largest(WITH_TOOLS if tools is not False else WITHOUT_TOOLS, window)
    if size is everything:
        return Launch(tuple(given), size.tokens)
    ours = _arguments(size, given)
    return Launch((*ours, *given), size.tokens, _note(size, window, tools) if "--tools" in ours else None)


def _largest(sizes: Sequence[Size], window: int | None) -> Size:
    if window is None:
        return sizes[0]
    for size in sizes:
        if size.tokens <= SHARE * window:
            return size
    least = round(sizes[-1].tokens / SHARE)
    raise SetupError(
        f"the model is loaded with a window of {window} tokens, and Claude Code needs {least} at the very least; "
        "load it with more context"
    )


def _arguments(size: Size, given: Sequence[str]) -> tuple[str, ...]:
    """`--tools` takes every word up to the next flag, so a flag always follows it."""
    names = {word.partition("=")[0] for word in given}
    flags = () if names & _OWN_PROMPT else size.flags
    if names & _OWN_TOOLS or size.tools is None:
        return flags
    chosen = ",".join((*size.tools, *_allowed(given, size.tools))) if size.tools else ""
    return ("--tools", chosen, *(flags or (STATIC,)))


def _allowed(given: Sequence[str], present: Sequence[str]) -> list[str]:
    """Built-in tools that the person allows by name, and so wants to use."""
    found: dict[str, None] = {}
    allowing = False
    for word in given:
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            allowing = name in _ALLOWING
            word = value if equals else ""
        if allowing:
            found |= dict.fromkeys(re.findall(r"[A-Za-z_]\w*", re.sub(r"\([^)]*\)", " ", word)))
    return [name for name in found if not name.startswith("mcp__") and name not in present]


def _note(size: Size, window: int | None, tools: bool | None) -> str:
    if tools is False:
        return "this model takes no tools, so Claude Code can talk but not act; --full-tools sends them all the same"
    named = ", ".join(size.tools or ())
    return (
        f"the model's window is {window} tokens, so Claude Code starts with {named} alone; --full-tools starts it whole"
    )
