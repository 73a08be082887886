"""Whose argument is it."""

import pytest

from anyclaude.cli.args import split
from anyclaude.errors import SetupError


@pytest.mark.parametrize(
    ("argv", "ours", "claude"),
    [
        ([], {}, []),
        (["--mode=lmstudio"], {"mode": "lmstudio"}, []),
        (["--mode", "lmstudio", "-p", "hi"], {"mode": "lmstudio"}, ["-p", "hi"]),
        (["-p", "hi", "--port", "0", "--model=q"], {"port": "0", "model": "q"}, ["-p", "hi"]),
        (["--proxy-only", "--full-tools"], {"proxy-only": "true", "full-tools": "true"}, []),
        (["--proxy-only=no"], {"proxy-only": "no"}, []),
        (["--mode=a", "--mode=b"], {"mode": "b"}, []),
        (["--resume", "id", "--continue", "--verbose"], {}, ["--resume", "id", "--continue", "--verbose"]),
        (["--", "--mode=x", "--help"], {}, ["--mode=x", "--help"]),
        (["--port=1", "--", "-p", "--", "x"], {"port": "1"}, ["-p", "--", "x"]),
        (["--mod=x", "--models", "--portable=1"], {}, ["--mod=x", "--models", "--portable=1"]),
        (["--system-prompt", "--mode=x", "-p"], {}, ["--system-prompt", "--mode=x", "-p"]),
        (["--system-prompt=--mode", "--mode=x"], {"mode": "x"}, ["--system-prompt=--mode"]),
        (["--append-system-prompt", "--help"], {}, ["--append-system-prompt", "--help"]),
        (["--tools", "", "--port=3"], {"port": "3"}, ["--tools", ""]),
        (["--settings"], {}, ["--settings"]),
        (["", "-", "a b;$(c)", "-p\n"], {}, ["", "-", "a b;$(c)", "-p\n"]),
        (["--model=a=b"], {"model": "a=b"}, []),
        (["-v", "-c", "-d"], {}, ["-v", "-c", "-d"]),
    ],
)
def test_each_argument_has_one_owner(argv: list[str], ours: dict[str, str], claude: list[str]) -> None:
    divided = split(argv)
    assert (divided.ours, divided.claude, divided.asks) == (ours, claude, None)


@pytest.mark.parametrize(
    ("argv", "asks"),
    [
        (["--help"], "help"),
        (["-h"], "help"),
        (["--mode=lmstudio", "--version"], "version"),
        (["-p", "--help"], "help"),
        (["--", "--help"], None),
        (["--name", "--version"], None),
    ],
)
def test_help_and_version_are_ours_before_the_dashes(argv: list[str], asks: str | None) -> None:
    assert split(argv).asks == asks


@pytest.mark.parametrize("argv", [["--mode"], ["--port="], ["-p", "--model"]])
def test_a_flag_without_its_value_is_said_with_an_example(argv: list[str]) -> None:
    with pytest.raises(SetupError, match=r"^--(mode|port|model) needs a value, as in --\w+=\w+"):
        split(argv)


@pytest.mark.parametrize(
    ("argv", "asks", "switches", "claude"),
    [
        (["--check-setup"], "check-setup", set(), []),
        (["--json", "--check-setup"], "check-setup", {"--json"}, []),
        (["--test-model", "--save", "--json"], "test-model", {"--json", "--save"}, []),
        (["--check-setup", "--save"], "check-setup", set(), ["--save"]),
        (["--json", "--save"], None, set(), ["--json", "--save"]),
        (["--system-prompt", "--test-model"], None, set(), ["--system-prompt", "--test-model"]),
        (["--", "--test-model"], None, set(), ["--test-model"]),
    ],
)
def test_a_task_has_switches_of_its_own(
    argv: list[str], asks: str | None, switches: set[str], claude: list[str]
) -> None:
    divided = split(argv)
    assert (divided.asks, set(divided.switches), divided.claude) == (asks, switches, claude)
