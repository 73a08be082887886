"""Where a scenario is played: on a scripted upstream, or on a real server whose model knows the same answers by heart.

A scenario says what the model answers to each cue (`Part`), drives Claude Code, and looks at what came of it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from tests.support.claude_code import Answer, ClaudeCode
from tests.support.meeting import Gathering, Meeting
from tests.support.openai_upstream import Asked, text_of
from tests.support.script import Reply, Says, reply
from tests.support.tmux import Terminal

Part = Mapping[str, Reply]
"""Cue to answer: the last cue, in this order, that was said since the assistant spoke last, is answered."""

PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"  # where Claude Code takes what is typed


class Stage(Protocol):
    """asked: what came to the server with tools."""

    @property
    def asked(self) -> list[Asked]: ...

    def claude(self, part: Callable[[Path], Part], **environ: str) -> ClaudeCode:
        """Claude Code on a model that plays this part, which is told the folder that it works in."""
        ...

    def with_tools(self, *names: str) -> tuple[str, ...]:
        """Arguments that leave Claude Code these tools, where all of them would take long to read."""
        ...

    def check_computed(self, answer: Answer) -> None:
        """Raise AssertionError when prompts were computed anew, as the server counted."""
        ...

    def gather(self, gathering: Gathering) -> None:
        """From here on, those of a group are answered when all have asked."""
        ...

    def hold_behind(self, word: str) -> None:
        """An answer of a real server stops at the client's door once this was in it, until the client leaves."""
        ...

    async def idle(self) -> None:
        """Return when the server computes nothing any more."""
        ...


@dataclass
class Scripted:
    """On the scripted upstream, which plays LM Studio."""

    folder: Path
    upstream: Meeting

    @property
    def asked(self) -> list[Asked]:
        return self.upstream.asked

    def claude(self, part: Callable[[Path], Part], **environ: str) -> ClaudeCode:
        claude = ClaudeCode(self.folder, LMSTUDIO_URL=self.upstream.url, **environ)
        self.upstream.play(playing(part(claude.work)))
        return claude

    def with_tools(self, *_: str) -> tuple[str, ...]:
        return ()

    def check_computed(self, answer: Answer) -> None:
        """A script computes nothing."""

    def gather(self, gathering: Gathering) -> None:
        self.upstream.gathering = gathering

    def hold_behind(self, word: str) -> None:
        """A script waits by itself."""

    async def idle(self) -> None:
        """It computes nothing."""


def playing(part: Part) -> Callable[[Asked], Reply]:
    """What the real model does, for a script."""

    def line(asked: Asked) -> Reply:
        said = since_the_answer(asked)
        cues = [cue for cue in part if cue in said]
        return part[cues[-1]] if cues else reply(Says("ok"))

    return line


def since_the_answer(asked: Asked) -> str:
    """All that was said since the assistant spoke last."""
    spoken = [place for place, message in enumerate(asked.messages) if message["role"] == "assistant"]
    later = asked.messages[spoken[-1] + 1 :] if spoken else asked.messages
    return "\n".join(text_of(message) for message in later if message is not asked.messages[0])


# -- what scenarios look at ------------------------------------------------------------------------------------------


def kept(earlier: Asked, later: Asked) -> bool:
    """Whether a server that has computed the earlier prompt has computed the beginning of the later one."""
    begins = later.messages[: len(earlier.messages)] == earlier.messages
    return begins and later.body["tools"] == earlier.body["tools"]


def begun_anew(asked: list[Asked]) -> list[int]:
    """The turns, from 1, whose prompt does not begin with the one before."""
    return [turn for turn, (one, following) in enumerate(pairwise(asked), 2) if not kept(one, following)]


def transcript(claude: ClaudeCode) -> list[dict[str, Any]]:
    """What Claude Code keeps of the one conversation in that home, subagents aside."""
    (file,) = (claude.home / ".claude/projects").glob("*/*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


async def say(screen: Terminal, text: str) -> None:
    await screen.type(text)
    await screen.until(text)
    await screen.press("Enter")
