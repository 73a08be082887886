"""A launch that fits the window."""

import pytest

from anyclaude.errors import SetupError
from anyclaude.launch.fit import SHARE, WITH_TOOLS, WITHOUT_TOOLS, fit, needs_no_model

CORE = "Bash,Read,Edit,Write"
MIDDLE = "Bash,Read,Edit,Write,TaskCreate,TaskUpdate,TaskList,AskUserQuestion,ExitPlanMode,WebFetch"
STATIC = "--exclude-dynamic-system-prompt-sections"


@pytest.mark.parametrize(
    ("window", "tools", "ours"),
    [
        (None, None, ()),
        (None, True, ()),
        (262_144, True, ()),
        (65_536, None, ()),
        (60_000, True, ()),
        (59_000, True, ("--tools", MIDDLE, STATIC)),
        (32_768, True, ("--tools", MIDDLE, STATIC)),
        (16_384, True, ("--tools", CORE, STATIC)),
        (8_192, True, ("--tools", CORE, STATIC)),
        (4_096, True, ("--tools", "Bash,Read,Edit", "--bare")),
        (32_768, False, ("--tools", "", "--bare")),
        (None, False, ("--tools", "", "--bare")),
        (2_048, False, ("--tools", "", "--bare")),
    ],
)
def test_the_window_chooses(window: int | None, tools: bool | None, ours: tuple[str, ...]) -> None:
    launch = fit(["-p", "hi"], window, tools)
    assert launch.arguments == (*ours, "-p", "hi")
    assert (launch.note is None) == (ours == ())


def test_a_window_too_small_for_anything_is_said() -> None:
    with pytest.raises(SetupError, match="window of 1024 tokens, and Claude Code needs 2225"):
        fit([], 1_024, True)


def test_full_tools_overrides() -> None:
    launch = fit(["-p"], 8_192, False, full=True)
    assert (launch.arguments, launch.note) == (("-p",), None)


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        (["--tools", "Bash"], (STATIC,)),
        (["--tools=Bash"], (STATIC,)),
        (["--bare"], ()),
        (["--system-prompt", "x"], ("--tools", CORE, STATIC)),
        ([STATIC], ("--tools", CORE, STATIC)),
        (["--allowedTools", "Bash(git *) WebFetch,mcp__a__b", "-p"], ("--tools", f"{CORE},WebFetch", STATIC)),
        (["--allowed-tools=Agent", "--x"], ("--tools", f"{CORE},Agent", STATIC)),
        (["mcp", "list"], ()),
        (["update"], ()),
    ],
)
def test_what_the_person_says_counts_more(given: list[str], ours: tuple[str, ...]) -> None:
    assert fit(given, 8_192, True).arguments == (*ours, *given)


def test_a_flag_always_ends_the_list_of_tools() -> None:
    """`--tools` takes every word up to the next flag: it must not take the prompt."""
    for window in (2_500, 4_096, 8_192, 32_768):
        for tools in (True, False):
            for given in (["do it"], ["--system-prompt", "x", "do it"], [STATIC, "do it"]):
                words = fit(given, window, tools).arguments
                assert words[words.index("--tools") + 2].startswith("--")


def test_the_notes_name_the_way_out() -> None:
    assert fit([], 8_192, True).note == (
        "the model's window is 8192 tokens, so Claude Code starts with Bash, Read, Edit, Write alone; "
        "--full-tools starts it whole"
    )
    assert "--full-tools" in str(fit([], 8_192, False).note)


@pytest.mark.parametrize("sizes", [WITH_TOOLS, WITHOUT_TOOLS])
def test_sizes_fall_and_leave_room(sizes: tuple[object, ...]) -> None:
    tokens = [size.tokens for size in (WITH_TOOLS if sizes is WITH_TOOLS else WITHOUT_TOOLS)]
    assert tokens == sorted(tokens, reverse=True)
    assert 0 < SHARE < 0.5


def test_nothing_is_said_of_tools_that_the_person_chose() -> None:
    assert fit(["--tools", "Read"], 8_192, True).note is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], False),
        (["--version"], True),
        (["-h"], True),
        (["mcp", "--help"], True),
        (["mcp", "list"], False),
        (["-p", "--help"], False),
        (["what does --version do?"], False),
    ],
)
def test_who_asks_for_a_version_needs_no_model(given: list[str], expected: bool) -> None:
    assert needs_no_model(given) is expected
