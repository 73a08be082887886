"""Scenarios of whole sessions: /compact, a window that is outgrown, and Esc in the middle of an answer."""

import asyncio
from pathlib import Path

from tests.support.claude_code import ClaudeCode
from tests.support.filler import filler
from tests.support.openai_upstream import Asked
from tests.support.scenarios.stage import PROMPT, Part, Stage, say, transcript
from tests.support.script import Says, Waits, calls, reply
from tests.support.tmux import terminal

COMPACTING = "CRITICAL: Respond with TEXT ONLY"
SUMMARY = "The word is heron, and parts are still to be read."
PARTS = 20
NEXT = f"""\
number=$(cat number)
[ "$number" = {PARTS} ] && echo All is read now && exit
echo $((number + 1)) > number
cat part$number.txt
echo
echo A part ends
"""


def remembering(work: Path) -> Part:
    return {
        "Remember the heron": reply(Says("I will remember the heron.")),
        "Say it again": reply(Says("Once more: the heron.")),
        COMPACTING: reply(Says(f"<analysis>Short.</analysis><summary>{SUMMARY}</summary>")),
        "Which word was it?": reply(Says("It was the heron.")),
    }


async def compact_by_hand(stage: Stage) -> None:
    claude = stage.claude(remembering)
    async with terminal(claude.command(*stage.with_tools("Bash", "Read")), claude.environ, claude.work) as screen:
        await screen.until(PROMPT, deadline=60)
        await say(screen, "Remember the heron")
        await screen.until("I will remember")
        await say(screen, "Say it again")
        await screen.until("Once more")
        await say(screen, "/compact")
        await screen.until("Compacted")
        await say(screen, "Which word was it?")
        await screen.until("It was the heron.")
    _, before, compacting, after = stage.asked
    assert compacting.texts("user")[-1].startswith(f"Say it again\n{COMPACTING}")  # it leaves the last answer out
    assert compacting.messages[: len(before.messages) - 1] == before.messages[:-1]
    assert compacting.body["tools"] == before.body["tools"]
    assert SUMMARY in str(after.messages)
    assert "I will remember" not in str(after.messages)
    assert any(entry.get("isCompactSummary") for entry in transcript(claude))


def reading(work: Path) -> Part:
    """Reads one part after the other; which one, the folder knows."""
    following = reply(calls("Bash", command="sh next.sh"))
    return {
        SUMMARY: following,
        "Go through all parts": following,
        "A part ends": following,
        COMPACTING: remembering(work)[COMPACTING],
        "All is read now": reply(Says("All parts are read.")),
    }


def lay_out(claude: ClaudeCode) -> None:
    for part in range(PARTS):
        (claude.work / f"part{part}.txt").write_text(filler(4_500, f"part {part}"))
    (claude.work / "number").write_text("0\n")
    (claude.work / "next.sh").write_text(NEXT)


async def outgrow_the_window(stage: Stage) -> None:
    """A session that its server's window holds but half of goes on to its end."""
    claude = stage.claude(reading)
    lay_out(claude)
    answer = await claude.ask("Go through all parts", *stage.with_tools("Bash", "Read"), deadline=500)
    assert (answer.exit_code, answer.text) == (0, "All parts are read."), answer.text
    assert (claude.work / "number").read_text() == f"{PARTS}\n"
    assert sum(map(compacts, stage.asked)) >= 2


def compacts(asked: Asked) -> bool:
    return COMPACTING in asked.texts("user")[-1]


def telling(work: Path) -> Part:
    return {
        "Tell me a story": reply(Says("Once upon a time.\n\nThere was one fox then two, then"), Waits()),
        "Something else": reply(Says("The other answer.")),
    }


async def esc_in_text(stage: Stage) -> None:
    """The server hears of it, and computes no more."""
    claude = stage.claude(telling)
    stage.hold_behind("There")
    async with terminal(claude.command(*stage.with_tools("Bash", "Read")), claude.environ, claude.work) as screen:
        await screen.until(PROMPT, deadline=60)
        await say(screen, "Tell me a story")
        await screen.until("Once upon a time")
        await screen.press("Escape")
        async with asyncio.timeout(30):
            await stage.asked[0].left.wait()
            await stage.idle()
        await screen.until("Interrupted")
        await say(screen, "Something else")
        await screen.until("The other answer.")
    second = stage.asked[1]
    assert "Something else" in second.texts("user")[-1]
    assert any(text.startswith("Once upon a time.") for text in second.texts("assistant"))
