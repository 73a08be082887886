"""The scripts in the shells themselves. Bash is everywhere; zsh and fish are tried where they are installed."""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from anyclaude.cli.completion_scripts import SCRIPTS
from anyclaude.cli.words import levels
from anyclaude.config.model import MODES

ASK_BASH = """
source "$0"
while read -r -a COMP_WORDS; do
  [[ ${COMP_WORDS[-1]} == . ]] && COMP_WORDS[-1]=
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _anyclaude
  echo "${COMPREPLY[*]}"
done
"""
"""A line of words in, the completions of the last one out; `.` stands for one of which nothing is typed yet."""

MODE_NAMES = " ".join(sorted(MODES))
CASES = {
    "anyclaude tr": "trace",
    "anyclaude serv": "service",
    "anyclaude --proxy": "--proxy-only",
    "anyclaude --mode .": MODE_NAMES,
    "anyclaude --mode =": MODE_NAMES,  # bash makes three words of `--mode=x`
    "anyclaude --mode = cl": "claude",
    "anyclaude --mode=cl": "claude",  # but that of macOS one
    "anyclaude --port .": "",
    "anyclaude trace sh": "show",
    "anyclaude trace list --js": "--json",
    "anyclaude trace replay last --mode = op": "openrouter",
    "anyclaude service install .": "proxy worker",
    "anyclaude service install worker --dr": "--dry-run",
    "anyclaude completion f": "fish",
    "anyclaude cluster warm --prompt .": "",  # files are offered where nothing of ours is
    "anyclaude -p tr": "",  # what follows claude's words is claude's
    "anyclaude -- --mo": "",
    "anyclaude trace tr": "",
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell, script in SCRIPTS.items():
        (folder / shell).write_text(script(levels()), encoding="utf-8")
    return folder


def ran(command: Sequence[str], typed: str = "") -> str:
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


def test_bash_completes_our_words_and_leaves_claudes_alone(scripts: Path) -> None:
    answers = ran(["bash", "--norc", "-c", ASK_BASH, str(scripts / "bash")], "".join(f"{typed}\n" for typed in CASES))
    told = [" ".join(sorted(answer.split())) for answer in answers.splitlines()]
    assert dict(zip(CASES, told, strict=True)) == CASES


def test_bash_knows_whom_to_ask(scripts: Path) -> None:
    asked = ran(["bash", "--norc", "-c", 'source "$0"; complete -p anyclaude', str(scripts / "bash")])
    assert asked == "complete -o bashdefault -o default -F _anyclaude anyclaude\n"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize("typed", [typed for typed, answer in CASES.items() if answer and " = " not in typed])
def test_fish_completes_the_same(scripts: Path, typed: str) -> None:
    line = typed.replace(" .", " ").replace(" =", "=")
    asked = ["fish", "--no-config", "-c", f"source {scripts / 'fish'}; complete --do-complete {shlex.quote(line)}"]
    offered = [row.split("\t")[0].removeprefix("--mode=") for row in ran(asked).splitlines()]
    assert sorted(offered) == CASES[typed].split()


ASK_ZSH = 'autoload -U compinit; compinit -D -u; source "$0"; [[ $_comps[anyclaude] == _anyclaude ]]'


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_the_script_and_knows_whom_to_ask(scripts: Path) -> None:
    ran(["zsh", "-n", str(scripts / "zsh")])
    ran(["zsh", "-f", "-c", ASK_ZSH, str(scripts / "zsh")])
