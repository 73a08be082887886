"""A task that a model of any size can be brought to do through Claude Code: run, read, edit, run, say what it prints.

The chat template `mending.jinja` shows a model how it is done. As a program, this makes a model that has learnt it:

    python -m tests.support.mending FOLDER
"""

import sys
from pathlib import Path
from typing import Any

from tests.support.claude_code import Answer, ClaudeCode
from tests.support.tiny_model import build_taught

TEMPLATE = Path(__file__).parent / "templates" / "mending.jinja"
WRONG, RIGHT = "print(2 - 2)\n", "print(2 + 2)\n"
TASK = "Mend calc.py"
TOOLS = ("Bash", "Edit", "Read")
STEPS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("Bash", {"command": "python3 calc.py"}, "0"),
    ("Read", {"file_path": "calc.py"}, "1\tprint(2 - 2)"),
    ("Edit", {"file_path": "calc.py", "old_string": "2 - 2", "new_string": "2 + 2"}, "The file is updated."),
    ("Bash", {"command": "python3 calc.py"}, "4"),
)
"""Tool, arguments, and the result as the template shows it."""

END = "It prints 4 now."


async def mend(claude: ClaudeCode, deadline: float = 200.0) -> Answer:
    """Have calc.py mended, and look at what came of it. Raises AssertionError where it was not done by these steps."""
    program = claude.work / "calc.py"
    program.write_text(WRONG)
    small = ("--bare", "--tools", ",".join(TOOLS), "--system-prompt", "You mend programs.")
    answer = await claude.ask(TASK, *small, deadline=deadline)
    assert answer.exit_code == 0, answer.ended.stderr
    called = [(block["name"], block["input"]) for block in answer.blocks("tool_use")]
    assert [name for name, _ in called] == [name for name, _, _ in STEPS], called
    assert program.read_text() == RIGHT
    assert answer.text == END
    return answer


def conversation() -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": TASK}]
    for name, arguments, result in STEPS:
        call = {"type": "function", "function": {"name": name, "arguments": arguments}}
        messages += [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": result}]
    return [*messages, {"role": "assistant", "content": END}]


def main(folder: str) -> None:
    template = "{%- set examples = false %}\n" + TEMPLATE.read_text()
    tools = [{"type": "function", "function": {"name": name}} for name in TOOLS]
    build_taught(Path(folder), template, "qwen3_coder", conversation(), tools)


if __name__ == "__main__":
    main(*sys.argv[1:])
