"""What goes out when, what it costs, and where it stops."""

import re
from pathlib import Path

import pytest

from anyclaude.convert import text_calls
from anyclaude.convert.text_calls import Call, Text, TextCalls, Thinking
from tests.support.call_corpus import scan, tools

CALL = '<tool_call>\n{"name": "Bash", "arguments": {"command": "ls"}}\n</tool_call>'
LS = {"command": "ls"}


def fresh(**options: int) -> TextCalls:
    return TextCalls(tools(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("piece", ["Hello", "Hello\n", "a > b ", "it's [", "```py\n<tool_", "`<tool_"])
def test_text_goes_out_at_once(piece: str) -> None:
    scanner = fresh()
    scanner.feed("So:\n")
    assert "".join(one.text for one in scanner.feed(piece) if isinstance(one, Text)) in (piece, piece.removesuffix("["))


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a <", "<"),
        ("a <tool", "<tool"),
        ("a <tools", ""),
        ("a <b <|python_", "<|python_"),
        ("a [TOOL_", "[TOOL_"),
        ("a [x]", ""),
        ("a {", ""),
    ],
)
def test_only_the_longest_end_that_may_open_a_call_is_held(text: str, held: str) -> None:
    scanner = fresh()
    assert scanner.feed(text) == [Text(text.removesuffix(held))]
    assert scanner.end() == ([Text(held)] if held else [])


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call> is ",
        '<tool_call>{"name": "Nobody"',
        '<tool_call>{"title"',
        "<function=Nobody>",
        "<function=Bash> is",
        "[TOOL_CALLS]!",
        '{"title"',
        '{"name": "Nobody"',
        '{"name": "Bash", "version"',
        "[1,",
        "[Nobody(",
        CALL + "\nT",
        "<|channel|>commentary to=functions.Nobody<|message|>",
    ],
)
def test_what_can_be_no_call_any_more_comes_out_before_the_end(text: str) -> None:
    assert fresh().feed(text) == [Text(text)]


def test_a_call_comes_out_at_the_end() -> None:
    scanner = fresh()
    assert scanner.feed("Now:\n" + CALL) == [Text("Now:\n")]
    assert scanner.has_calls
    assert scanner.feed("\n") == []
    assert scanner.end() == [Call("Bash", LS, "hermes", CALL + "\n")]


def test_thinking_comes_as_it_is_written() -> None:
    scanner = fresh()
    assert scanner.feed("<think>\nI ") == [Thinking("I ")]
    assert scanner.feed("see </thi") == [Thinking("see ")]
    assert scanner.feed("nk>\n\n") == []
    assert scanner.feed("Yes") == [Text("Yes")]


def test_an_answer_that_was_cut_has_no_call() -> None:
    scanner = fresh()
    scanner.feed(CALL)
    assert scanner.end(cut=True) == [Text(CALL)]


@pytest.mark.parametrize("text", ["[TOOL_CALLS]Ba", "Hi <tool_c", '{"name": "Bash", "para', "<thi"])
def test_a_cut_answer_keeps_its_text(text: str) -> None:
    scanner = fresh()
    told = [*scanner.feed(text), *scanner.end(cut=True)]
    assert "".join(one.text for one in told if isinstance(one, Text)) == text


def test_letting_go_makes_a_text_of_what_was_held() -> None:
    scanner = fresh()
    scanner.feed("Hi <tool")
    assert scanner.let_go() == [Text("<tool")]
    scanner = fresh()
    scanner.feed("Hi.\n" + CALL[:30])
    assert scanner.let_go() == [Text(CALL[:30])]
    assert scanner.feed("\n" + CALL) == [Text("\n")]
    assert [type(piece) for piece in scanner.end()] == [Call]


@pytest.mark.parametrize(
    "text",
    [" " * 5000 + "<think>a</think>", "\n" * 4097 + CALL, " " * 4096 + "<think>a", "\t" * 5000],
)
def test_white_space_without_end_is_a_text(text: str) -> None:
    assert scan(list(text)) == scan([text])


def test_white_space_before_a_header_is_layout() -> None:
    assert scan(["\n", "<|channel|>", "final", "<|message|>", "Hello", " there"]) == [Text("Hello there")]


def test_what_may_begin_thinking_is_let_go_too() -> None:
    scanner = fresh()
    assert scanner.feed("\n<thi") == []
    assert scanner.let_go() == [Text("\n<thi")]
    assert scanner.feed("nk> so") == [Text("nk> so")]


def test_a_call_that_is_too_large_is_text_however_it_comes() -> None:
    long = CALL.replace("ls", "x" * 3000)
    for text in (long, CALL + "\n" + long, long + "\n" + CALL, CALL * 50, long[:1500], CALL[:40] + "x" * 3000):
        for size in (1, 100, len(text)):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            assert scan(pieces, largest=1000) == [Text(text)], size


def test_without_tools_only_thinking_is_told_apart() -> None:
    assert scan(["<think>a</think>" + CALL], tools={}) == [Thinking("a"), Text(CALL)]
    assert scan(['{"name": "Bash"'], tools={}) == [Text('{"name": "Bash"')]


def test_halves_of_a_character_find_each_other() -> None:
    smile = "\ud83d\ude42"
    assert scan(["a", *smile, "b"]) == [Text("a\U0001f642b")]
    written = CALL.replace("ls", f"echo {smile}")
    whole = scan([written])
    assert scan(list(written)) == whole
    assert isinstance(whole[0], Call)
    assert whole[0].arguments == {"command": "echo \U0001f642"}


def test_a_server_that_tells_thinking_itself_ends_the_wait_for_it() -> None:
    scanner = TextCalls(tools(), opened=True)
    scanner.no_thinking()
    assert scanner.feed("Hello") == [Text("Hello")]


HALF_OPENERS = {
    "[TOOL_CALLS]": 0,
    "\n<tool_call>": 0,
    "\n<tool_call>{": 0,
    '\n<tool_call>{"name": "Bash", "arguments": {': 0,
    "\n<function=Bash><parameter=command>": 0,
    "<|channel|>commentary to=functions.Bash ": 0,
    "<|python_tag|>[": 0,
    "\n<tool_call>          ": 0,
    '<tool_call>{"name":"Bash","arguments":' + '{"a":' * 50: 0,
    "<": 0,
    "`<tool_call>": 0,
}


@pytest.mark.parametrize("half", HALF_OPENERS)
def test_half_openers_cost_no_more_than_their_length(half: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of the scanner, not seconds: ten times the text takes ten times the steps."""
    steps = {size: _steps((half * size)[: 40 * size], monkeypatch) for size in (100, 1000)}
    assert steps[1000] <= 11 * steps[100] + 100


def _steps(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Characters that were looked at, by every state and step that advances on the tape."""
    scanner = fresh()
    counted = 0
    real = scanner._tape.to

    def counting(place: int) -> str:
        nonlocal counted
        counted += 1 + place - scanner._tape.at
        return real(place)

    monkeypatch.setattr(scanner._tape, "to", counting)
    told = [*scanner.feed(text), *scanner.end()]
    assert "".join(one.text for one in told if isinstance(one, Text)) == text
    return counted


def test_the_scanner_stands_on_the_wire_alone() -> None:
    """So that the worker can stand on it."""
    sources = [path.read_text() for path in Path(text_calls.__file__).parent.glob("*.py")]
    taken = {
        name for source in sources for name in re.findall(r"^(?:from|import) (anyclaude\S*)", source, re.MULTILINE)
    }
    assert all(name.startswith(("anyclaude.convert.text_calls", "anyclaude.wire")) for name in taken)
    assert "anyclaude.wire.json" in taken
