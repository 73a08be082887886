"""Sessions that go on for long: past the window again and again, on with the same prefix, and with a dull model."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.claude_code import ClaudeCode
from tests.support.filler import filler
from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.script import Refusal, Reply, Says, Usage, calls, reply

COMPACTING = "CRITICAL: Respond with TEXT ONLY"
BYTES_PER_TOKEN = 4
PARTS = 40
OVERFLOWS = [
    "The number of tokens to keep from the initial prompt is too large (n_keep: {0}>= n_ctx: {1})",
    "request ({0} tokens) exceeds the available context size ({1} tokens), try increasing it",
    "This model's maximum context length is {1} tokens. However, your messages resulted in {0} tokens.",
]


class Reader:
    """A model that reads one part after the other, with a window that refuses what does not fit.

    counts: whether it says how many tokens it counted. compactions: how often it was asked to sum up. refusals: how
    often a prompt did not fit; it says so in the words of one server after the other.
    """

    def __init__(self, work: Path, window: int, *, counts: bool) -> None:
        self.work, self.window, self.counts = work, window, counts
        self.read = self.compactions = self.refusals = 0
        for part in range(PARTS):
            (work / f"part{part}.txt").write_text(filler(9_000, f"part {part}"))

    def __call__(self, asked: Asked) -> Reply | Refusal:
        tokens = len(json.dumps(asked.body)) // BYTES_PER_TOKEN
        if tokens > self.window:
            self.refusals += 1
            overflow = OVERFLOWS[self.refusals % len(OVERFLOWS)]
            return Refusal(400, overflow.format(tokens, self.window), plain=self.refusals % 2 == 0)
        usage = Usage(prompt=tokens if self.counts else 1, cached=None)
        if COMPACTING in asked.texts("user")[-1]:
            self.compactions += 1
            return reply(Says(f"<summary>Parts up to {self.read} are read.</summary>"), usage=usage)
        if self.read == PARTS:
            return reply(Says("All parts are read."), usage=usage)
        self.read += 1
        return reply(calls("Read", file_path=str(self.work / f"part{self.read - 1}.txt")), usage=usage)


@pytest.mark.timeout(400)
async def test_a_session_that_outgrows_its_window_three_times(tmp_path: Path) -> None:
    """A server that does not count: Claude Code compacts when it is told `prompt is too long`."""
    async with OpenAIUpstream(context_window=40_000) as upstream:
        claude = ClaudeCode(tmp_path, LMSTUDIO_URL=upstream.url)
        reader = Reader(claude.work, 40_000, counts=False)
        upstream.play(reader)
        answer = await claude.ask("Read all parts", deadline=300)
    assert (answer.exit_code, answer.text) == (0, "All parts are read.")
    assert reader.read == PARTS
    assert reader.compactions >= 3
    assert reader.refusals >= 3


@pytest.mark.timeout(400)
async def test_a_session_is_compacted_before_its_window_is_full(tmp_path: Path) -> None:
    """A server that counts: the counts reach Claude Code, which does not wait until a prompt is refused."""
    async with OpenAIUpstream(context_window=65_536) as upstream:
        claude = ClaudeCode(tmp_path, LMSTUDIO_URL=upstream.url)
        reader = Reader(claude.work, 65_536, counts=True)
        upstream.play(reader)
        answer = await claude.ask("Read all parts", deadline=300)
    assert (answer.exit_code, answer.text) == (0, "All parts are read.")
    assert reader.compactions >= 1
    assert reader.refusals == 0


def shared(asked: Asked) -> tuple[str, str]:
    """What two prompts of different sessions may have in common: tools and system prompt."""
    return json.dumps(asked.body["tools"]), asked.texts("system")[0]


async def test_two_projects_share_tools_and_system_prompt(tmp_path: Path) -> None:
    async with OpenAIUpstream() as upstream:
        seen = []
        for name in ("one", "two"):
            claude = ClaudeCode(tmp_path / name, LMSTUDIO_URL=upstream.url)
            upstream.script(reply(calls("Bash", command="pwd")), reply(Says("Done.")))
            answer = await claude.ask("Where are you?")
            assert answer.text == "Done."
            first, second = upstream.asked[-2:]
            assert shared(first) == shared(second)
            assert second.messages[: len(first.messages)] == first.messages, "the second turn begins with the first"
            assert str(claude.work) in first.texts("user")[0], "the folder is told to the model all the same"
            seen.append(shared(first))
        assert seen[0] == seen[1]


def loops(times: int) -> Callable[[Asked], Reply]:
    def line(asked: Asked) -> Reply:
        assert len(asked.tool_results()) < times, "a turn in a circle should have been ended"
        return reply(Says("Once more."), calls("Bash", command="cat nowhere.txt"))

    return line


async def test_a_model_that_makes_the_same_call_again_and_again_is_stopped(
    claude: ClaudeCode, upstream: OpenAIUpstream
) -> None:
    upstream.play(loops(4))
    answer = await claude.ask("Show nowhere.txt")
    assert answer.exit_code == 0
    assert "called Bash 3 times with the same arguments" in answer.text
    assert len(upstream.asked) == 3


async def test_an_answer_that_repeats_itself_is_ended(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(Says("It went on and on. " * 2_000, pieces=2_000)))
    answer = await claude.ask("Tell me")
    assert answer.exit_code == 0
    assert "repeated itself without end" in answer.text
    assert len(answer.text) < 20_000
