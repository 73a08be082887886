"""Scenarios of writing: thirty turns of mending; three subagents; on behind a new proxy; a command ended by Esc."""

import re
from pathlib import Path

import psutil

from tests.support.meeting import Gathering
from tests.support.openai_upstream import Asked
from tests.support.pids import until_gone
from tests.support.scenarios.stage import PROMPT, Part, Stage, begun_anew, kept, say, transcript
from tests.support.script import Says, Together, calls, reply
from tests.support.tmux import terminal

WRONG = 14
PROGRAM = """\
SQUARES = {squares}
for number, square in enumerate(SQUARES):
    if square != number * number:
        raise SystemExit(f"the square of {{number}} is not {{square}}")
print("all squares are right")
"""


def fixing(work: Path) -> Part:
    """Writes a program with mistakes, and mends one for each run of it until it is right."""
    program = str(work / "squares.py")
    wrong = {number: number * number + 1000 for number in range(WRONG)}
    run = calls("Bash", command=f"cd {work} && python3 squares.py", description="Run it")
    fixes = {
        f"the square of {number} is not {square}": reply(
            Says(f"The square of {number} is wrong."),
            calls("Edit", file_path=program, old_string=str(square), new_string=str(number**2)),
        )
        for number, square in wrong.items()
    }
    return {
        "Write a table of squares": reply(
            calls("Write", file_path=program, content=PROGRAM.format(squares=list(wrong.values())))
        ),
        "squares.py": reply(Says("I run it."), run),
        **fixes,
        "all squares are right": reply(Says("It runs.")),
    }


async def edit_run_fix(stage: Stage) -> None:
    """Each prompt begins with the one before it, though Claude Code rewrites the commands (`cd` to where it is)."""
    claude = stage.claude(fixing)
    small = stage.with_tools("Bash", "Edit", "Write")
    answer = await claude.ask("Write a table of squares and make it right", *small, deadline=500)
    assert (answer.exit_code, answer.text) == (0, "It runs."), answer.ended.stderr
    assert len(stage.asked) == 2 * WRONG + 3
    assert str([number * number for number in range(WRONG)]) in (claude.work / "squares.py").read_text()
    names = [block["name"] for block in answer.blocks("tool_use")]
    assert names == ["Write", *["Bash", "Edit"] * WRONG, "Bash"]
    assert begun_anew(stage.asked) == []
    results = [entry for entry in transcript(claude) if entry["type"] == "user" and "toolUseResult" in entry]
    assert len(results) == len(names)
    stage.check_computed(answer)


def ordering(work: Path) -> Part:
    """Has three parts written by subagents, and is each of them too."""
    orders = [calls("Agent", description=f"Part {number}", prompt=f"Compose part {number}") for number in "123"]
    return {
        "Have three parts written": reply(Together(tuple(orders))),
        **{
            f"Compose part {number}": reply(
                calls("Write", file_path=str(work / f"part{number}.txt"), content=f"I am part {number}\n")
            )
            for number in "123"
        },
        **{f"part{number}.txt": reply(Says(f"Part {number} is there.")) for number in "123"},
        "Part 3 is there.": reply(Says("All parts are written.")),
    }


def part_of(asked: Asked) -> str | None:
    """Which subagent asks; None: the main conversation."""
    found = re.search(r"Compose part (\d)", asked.texts("user")[-1])
    return found[1] if found else None


async def three_subagents(stage: Stage) -> None:
    """The model gives three orders at once; their first turns are all asked before one is answered."""

    def first_turn(asked: Asked) -> str | None:
        return "first turns" if part_of(asked) and not asked.tool_results() else None

    gathering = Gathering(first_turn, {"first turns": 3})
    stage.gather(gathering)
    claude = stage.claude(ordering)
    answer = await claude.ask("Have three parts written", *stage.with_tools("Agent", "Write"), deadline=500)
    assert (answer.exit_code, answer.text) == (0, "All parts are written."), answer.ended.stderr
    assert gathering.met == {"first turns"}
    written = [(claude.work / f"part{number}.txt").read_text() for number in "123"]
    assert written == [f"I am part {number}\n" for number in "123"]
    for number, told in zip("123", stage.asked[-1].tool_results(), strict=True):
        assert f"Part {number} is there." in told
        first, second = (asked for asked in stage.asked if part_of(asked) == number)
        assert kept(first, second)


def noting(work: Path) -> Part:
    """Writes a note and shows it; changes it when asked to."""
    note = str(work / "note.txt")
    return {
        "Jot a note": reply(calls("Write", file_path=note, content="number one\n")),
        "note.txt": reply(calls("Bash", command="cat note.txt", description="Show it")),
        "number one": reply(Says("It is written.")),
        "number two": reply(Says("It is changed.")),
        "Alter the note": reply(calls("Edit", file_path=note, old_string="one", new_string="two")),
    }


async def on_behind_a_new_proxy(stage: Stage) -> None:
    """Each run has a proxy of its own; the second one's prompt begins like the first one's."""
    claude = stage.claude(noting)
    small = stage.with_tools("Bash", "Edit", "Write")
    first = await claude.ask("Jot a note", *small)
    second = await claude.ask("Alter the note", "--continue", *small)
    assert [first.text, second.text] == ["It is written.", "It is changed."]
    assert (claude.work / "note.txt").read_text() == "number two\n"
    before, after = stage.asked[2:4]
    assert after.messages[1 : len(before.messages)] == before.messages[1:]
    assert begun_anew(stage.asked[3:]) == []
    assert first.result["session_id"] == second.result["session_id"]
    said = [entry["message"]["content"] for entry in transcript(claude) if entry["type"] == "assistant"]
    texts = [block["text"] for content in said for block in content if block["type"] == "text"]
    assert texts == [first.text, second.text]
    stage.check_computed(second)


def waiting(work: Path) -> Part:
    """Starts a command that never ends."""
    return {
        "Wait for long": reply(
            Says("I wait."), calls("Bash", command=f"touch {work}/begun; sleep 98765", timeout=600_000)
        ),
        "Do something else": reply(Says("Very well.")),
    }


def _sleeping_in(work: Path) -> list[int]:
    """Other tests may have such a command run at the same time."""
    every = psutil.process_iter(["cmdline", "cwd"])
    return [one.pid for one in every if one.info["cmdline"] == ["sleep", "98765"] and one.info["cwd"] == str(work)]


async def esc_in_a_tool(stage: Stage) -> None:
    claude = stage.claude(waiting)
    command = claude.command("--dangerously-skip-permissions", *stage.with_tools("Bash", "Read"))
    async with terminal(command, claude.environ, claude.work) as screen:
        await screen.until(PROMPT, deadline=60)
        await say(screen, "Wait for long")
        await screen.until("sleep 98765")
        await screen.until(lambda _: (claude.work / "begun").exists())
        await screen.press("Escape")
        await screen.until("Interrupted")
        await say(screen, "Do something else")
        await screen.until("Very well.")
        await until_gone(*_sleeping_in(claude.work))
    first, second = stage.asked
    assert kept(first, second)
    assert second.tool_calls()[0]["arguments"]["command"].endswith("begun; sleep 98765")
    assert len(second.tool_results()) == 1
    assert "Do something else" in second.texts("user")[-1]
