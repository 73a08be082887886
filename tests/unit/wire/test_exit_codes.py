"""One list of exit codes: in code, in the docs, and nowhere else."""

import ast
import re
import signal
from pathlib import Path

import pytest

from anyclaude.wire.exit_codes import ExitCode, by_signal

ROOT = Path(__file__).parents[3]
PROGRAMS = [*(ROOT / "src/anyclaude/cli").glob("*.py"), *(ROOT / "src/mlx_worker").rglob("*.py")]
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \|", re.MULTILINE)


def test_the_table_of_the_docs_is_that_of_the_code() -> None:
    told = ROW.findall((ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8"))
    assert [(int(code), name) for code, name in told] == [(code.value, code.name) for code in ExitCode]


def test_an_end_by_a_signal_is_told_as_a_shell_tells_it() -> None:
    assert by_signal(signal.SIGINT) == ExitCode.INTERRUPTED
    assert by_signal(signal.SIGTERM) == 143


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_no_program_has_a_number_of_its_own(path: Path) -> None:
    ours = {code.value for code in ExitCode} - {ExitCode.DONE, ExitCode.NO}  # 0 and 1 are counts too
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Return(value=ast.Constant(value=int(code))) if code in ours:
                pytest.fail(f"line {node.lineno} returns {code}")
            case ast.Call(func=ast.Attribute(attr="exit" | "_exit"), args=[ast.Constant()]):
                pytest.fail(f"line {node.lineno} ends with a number")
