"""What people do with Claude Code all day, each from its beginning to its end: files, transcript, and what was asked.

Others of that kind: images, PDFs and failing calls in test_tools.py, overflow in test_long_sessions.py, Esc in an
answer in test_interactive.py.
"""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from tests.support.claude_code import ClaudeCode
from tests.support.mcp_server import TOOL, configuration
from tests.support.meeting import Meeting
from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.script import Reply, Says, Together, calls, reply
from tests.support.tmux import Terminal, terminal

PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"  # where Claude Code takes what is typed
COMPACTING = "CRITICAL: Respond with TEXT ONLY"
WRONG = 14
PROGRAM = """\
SQUARES = {squares}
for number, square in enumerate(SQUARES):
    if square != number * number:
        raise SystemExit(f"the square of {{number}} is not {{square}}")
print("all squares are right")
"""


def fixes(work: Path) -> Any:
    """A model that writes a program with mistakes, and mends one for each run of it until it is right."""
    program = str(work / "squares.py")
    run = reply(Says("I run it."), calls("Bash", command=f"cd {work} && python3 squares.py", description="Run it"))

    def line(asked: Asked) -> Reply:
        results = asked.tool_results()
        if not results:
            wrong = [number * number + 1000 for number in range(WRONG)]
            return reply(calls("Write", file_path=program, content=PROGRAM.format(squares=wrong)))
        if said := re.search(r"the square of (\d+) is not (\d+)", results[-1]):
            number, square = said.groups()
            mended = calls("Edit", file_path=program, old_string=square, new_string=str(int(number) ** 2))
            return reply(Says(f"The square of {number} is wrong."), mended)
        return reply(Says("It runs.")) if "all squares are right" in results[-1] else run

    return line


def kept(earlier: Asked, later: Asked) -> bool:
    """Whether a server that has computed the earlier prompt has computed the beginning of the later one."""
    begins = later.messages[: len(earlier.messages)] == earlier.messages
    return begins and later.body["tools"] == earlier.body["tools"]


def transcript(claude: ClaudeCode) -> list[dict[str, Any]]:
    """What Claude Code keeps of the one conversation in that home, subagents aside."""
    (file,) = (claude.home / ".claude/projects").glob("*/*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_edit_run_fix_for_thirty_turns(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """Each prompt begins with the one before it, though Claude Code rewrites the commands (`cd` to where it is)."""
    upstream.play(fixes(claude.work))
    answer = await claude.ask("Write a table of squares and make it right")
    assert (answer.exit_code, answer.text) == (0, "It runs.")
    assert len(upstream.asked) == 2 * WRONG + 3
    assert str([number * number for number in range(WRONG)]) in (claude.work / "squares.py").read_text()
    names = [block["name"] for block in answer.blocks("tool_use")]
    assert names == ["Write", *["Bash", "Edit"] * WRONG, "Bash"]
    broken = [turn for turn, (one, next_one) in enumerate(pairwise(upstream.asked), 2) if not kept(one, next_one)]
    assert broken == [], "these turns began anew"
    results = [entry for entry in transcript(claude) if entry["type"] == "user" and "toolUseResult" in entry]
    assert len(results) == len(names)


async def test_three_subagents_work_side_by_side(tmp_path: Path) -> None:
    def part(asked: Asked) -> str | None:
        found = re.search(r"Write part (\d)", asked.texts("user")[-1])
        return found[1] if found else None

    def line(asked: Asked) -> Reply:
        number = part(asked)
        if number is None:
            return reply(Says("All parts are written."))
        written = calls("Write", file_path=str(claude.work / f"part{number}.txt"), content=f"I am part {number}\n")
        return reply(Says(f"Part {number} is there.")) if asked.tool_results() else reply(written)

    def first_turn(asked: Asked) -> str | None:
        return "first turns" if part(asked) and not asked.tool_results() else None

    orders = [
        calls("Agent", description="Write", prompt=f"Write part {number}", subagent_type="general-purpose")
        for number in "123"
    ]
    async with Meeting(first_turn, {"first turns": 3}) as upstream:
        claude = ClaudeCode(tmp_path, LMSTUDIO_URL=upstream.url)
        upstream.script(reply(Together(tuple(orders))))
        upstream.play(line)
        answer = await claude.ask("Have three parts written")
    assert (answer.exit_code, answer.text) == (0, "All parts are written.")
    assert upstream.met == {"first turns"}
    assert [(claude.work / f"part{number}.txt").read_text() for number in "123"] == [
        f"I am part {number}\n" for number in "123"
    ]
    for number, told in zip("123", upstream.asked[-1].tool_results(), strict=True):
        assert f"Part {number} is there." in told
    for number in "123":
        first, second = (asked for asked in upstream.asked if part(asked) == number)
        assert kept(first, second)


async def test_a_tool_of_an_mcp_server_is_found_and_called(tmp_path: Path) -> None:
    async with OpenAIUpstream() as upstream:
        claude = ClaudeCode(tmp_path, LMSTUDIO_URL=upstream.url, ENABLE_TOOL_SEARCH="true")
        journal = tmp_path / "journal"
        (tmp_path / "mcp.json").write_text(configuration(journal))

        def found(asked: Asked) -> Reply:
            assert "in stock" in asked.tool_results()[-1] + str(asked.body["tools"]), "the definition is nowhere"
            return reply(calls(TOOL, thing="pears"))

        upstream.script(
            reply(calls("Bash", command=f"until [ -e {journal} ]; do sleep 0.1; done")),
            reply(calls("ToolSearch", query=f"select:{TOOL}", max_results=3)),
            found,
            lambda asked: reply(Says(f"There are {asked.tool_results()[-1].splitlines()[0]}.")),
        )
        answer = await claude.ask("How many pears are there?", "--mcp-config", str(tmp_path / "mcp.json"))
    assert (answer.exit_code, answer.text) == (0, "There are 7 pears.")
    assert [json.loads(line) for line in journal.read_text().splitlines()] == [{"thing": "pears"}]
    assert TOOL not in upstream.asked[0].tool_names
    assert "Write" in upstream.asked[0].tool_names
    for earlier, later in pairwise(upstream.asked):
        assert later.messages[: len(earlier.messages)] == earlier.messages


async def test_a_conversation_goes_on_behind_a_new_proxy(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """Calls that Claude Code rewrites among them: the new proxy sends them as the model wrote them, too."""
    note = claude.work / "note.txt"
    upstream.script(
        reply(calls("Write", content="one  \n", file_path=str(note))),
        reply(calls("Bash", description="Show it", command=f"cd {claude.work} && cat note.txt")),
        reply(Says("It is written.")),
    )
    upstream.script(
        reply(calls("Edit", new_string="two", old_string="one", file_path=str(note))),
        reply(Says("It is changed.")),
    )
    first = await claude.ask("Write a note")
    second = await claude.ask("Change it", "--continue")
    assert [first.text, second.text] == ["It is written.", "It is changed."]
    assert note.read_text() == "two\n"
    before, after, last = upstream.asked[2:]
    assert after.messages[1 : len(before.messages)] == before.messages[1:]
    assert kept(after, last)
    assert first.result["session_id"] == second.result["session_id"]
    said = [entry["message"]["content"] for entry in transcript(claude) if entry["type"] == "assistant"]
    texts = [block["text"] for content in said for block in content if block["type"] == "text"]
    assert texts == [first.text, second.text]


async def say(screen: Terminal, text: str) -> None:
    await screen.type(text)
    await screen.until(text)
    await screen.press("Enter")


async def test_compact_by_hand(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    summary = "<analysis>Short.</analysis><summary>The word is heron.</summary>"
    upstream.script(reply(Says("I will remember the heron.")), reply(Says("Once more: the heron.")))
    upstream.script(reply(Says(summary)), reply(Says("It was the heron.")))
    async with terminal(claude.command(), claude.environ, claude.work) as screen:
        await screen.until(PROMPT, deadline=60)
        await say(screen, "Remember the heron")
        await screen.until("I will remember")
        await say(screen, "Say it again")
        await screen.until("Once more")
        await say(screen, "/compact")
        compacting = await upstream.turn(3)
        await screen.until("Compacted")
        await say(screen, "Which word was it?")
        await screen.until("It was the heron.")
    before, after = upstream.asked[1], upstream.asked[3]
    assert compacting.texts("user")[-1].startswith(f"Say it again\n{COMPACTING}")  # it leaves the last answer out
    assert compacting.messages[: len(before.messages) - 1] == before.messages[:-1]
    assert compacting.body["tools"] == before.body["tools"]
    assert "The word is heron." in str(after.messages)
    assert "I will remember" not in str(after.messages)
    assert any(entry.get("isCompactSummary") for entry in transcript(claude))


async def test_esc_ends_a_running_command(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(
        reply(Says("I wait."), calls("Bash", command="touch begun; sleep 98765", timeout=600000)),
        reply(Says("Very well.")),
    )
    async with terminal(claude.command("--dangerously-skip-permissions"), claude.environ, claude.work) as screen:
        await screen.until(PROMPT, deadline=60)
        await say(screen, "Wait for long")
        await screen.until("sleep 98765")
        await screen.until(lambda _: (claude.work / "begun").exists())
        await screen.press("Escape")
        await screen.until("Interrupted")
        await say(screen, "Do something else")
        await screen.until("Very well.")
        assert [one.pid for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "98765"]] == []
    second = upstream.asked[1]
    assert kept(upstream.asked[0], second)
    assert second.tool_calls()[0]["arguments"]["command"] == "touch begun; sleep 98765"
    assert len(second.tool_results()) == 1
    assert "Do something else" in second.texts("user")[-1]
