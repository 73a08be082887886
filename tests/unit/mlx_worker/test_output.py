from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_worker.call_reader import CallReader
from mlx_worker.events import ReasoningPiece, TextPiece, ToolArguments, ToolCallBegun
from mlx_worker.output import OutputReader, Piece, StopFinder
from mlx_worker.runner import Markers
from tests.support.fake_runner import FakeRunner


def reader(**options: Any) -> OutputReader:
    return OutputReader(FakeRunner().markers, **options)


def read(pieces: list[str], **options: Any) -> tuple[list[Piece], OutputReader]:
    """All that comes out of these pieces of text, feeding no more once a stop string was met."""
    output = reader(**options)
    found: list[Piece] = []
    for piece in pieces:
        found += output.feed(piece)
        if output.stopped is not None:
            break
    return found + output.end(), output


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


def test_plain_text_comes_out_as_it_is() -> None:
    pieces, output = read(["  Hello", " ", "there", "\n"])
    assert text_of(pieces) == "  Hello there\n"
    assert output.calls == 0


def test_reasoning_text_and_layout() -> None:
    pieces, _ = read(["<think>", "\nHm", "m", "\n", "</think>", "\n\n", "Yes", "."])
    assert pieces == [ReasoningPiece("Hm"), ReasoningPiece("m"), TextPiece("Yes"), TextPiece(".")]


def test_an_answer_that_starts_in_reasoning() -> None:
    pieces, _ = read(["Hm", "</think>", "\n", "Yes"], section="reasoning")
    assert pieces == [ReasoningPiece("Hm"), TextPiece("Yes")]


def test_a_call_comes_with_its_name_first() -> None:
    pieces, output = read(["Let me look.", "\n", "<call>", "get_weather", " Paris", "</call>"])
    assert pieces == [
        TextPiece("Let me look."),
        ToolCallBegun("get_weather"),
        ToolArguments('{"city": "Paris"}'),
    ]
    assert output.calls == 1


def test_two_calls_in_a_row() -> None:
    pieces, output = read(["<call>", "f a", "</call>", "\n", "<call>", "g b", "</call>"])
    assert [piece.name for piece in pieces if isinstance(piece, ToolCallBegun)] == ["f", "g"]
    assert text_of(pieces) == ""
    assert output.calls == 2


def test_a_call_that_does_not_parse_comes_back_as_text() -> None:
    pieces, output = read(["<call>", "nonsense", "</call>", "after"])
    assert text_of(pieces) == "<call>nonsense</call>after"
    assert output.calls == 0


def test_a_call_that_is_cut_comes_back_as_text() -> None:
    pieces, output = read(["<call>", "f Par"])
    assert text_of(pieces) == "<call>f Par"
    assert output.calls == 0


def test_a_call_without_an_end_marker_ends_with_the_answer() -> None:
    known = FakeRunner().markers
    output = OutputReader(Markers(known.splitter, "<call>", "", known.parse_tool))
    assert output.feed("<call>") + output.feed("f a") == []
    assert output.end() == [ToolCallBegun("f"), ToolArguments('{"city": "a"}')]


@pytest.mark.parametrize(
    "parsed",
    [None, "text", {}, {"name": 1, "arguments": {}}, {"name": "f", "arguments": []}, {"name": "f", "arguments": "{"}],
)
def test_whatever_a_parser_returns_the_text_is_not_lost(parsed: Any) -> None:
    output = OutputReader(Markers(FakeRunner().markers.splitter, "<call>", "</call>", lambda text, tools: parsed))
    pieces = [piece for part in ("<call>", "x", "</call>") for piece in output.feed(part)] + output.end()
    assert text_of(pieces) == "<call>x</call>"


def test_a_parser_may_give_several_calls_and_arguments_as_text() -> None:
    calls = [{"name": "f", "arguments": '{"a": 1}'}, {"name": "g"}]
    output = OutputReader(Markers(FakeRunner().markers.splitter, "<call>", "</call>", lambda text, tools: calls))
    pieces = [piece for part in ("<call>", "x", "</call>") for piece in output.feed(part)]
    assert pieces == [
        ToolCallBegun("f"),
        ToolArguments('{"a": 1}'),
        ToolCallBegun("g"),
        ToolArguments("{}"),
    ]


def test_a_stop_string_over_token_borders_ends_the_text() -> None:
    pieces, output = read(["one ST", "O", "P two"], stops=("STOP",))
    assert text_of(pieces) == "one "
    assert output.stopped == "STOP"


def test_the_earliest_stop_wins_and_of_two_there_the_longer() -> None:
    pieces, output = read(["a<<b<<<c"], stops=("<<<", "<<", "c"))
    assert (text_of(pieces), output.stopped) == ("a", "<<")
    assert read(["a<<<"], stops=("<<", "<<<"))[1].stopped == "<<<"


def test_stops_are_not_looked_for_in_reasoning_and_calls() -> None:
    pieces, output = read(["<think>", "X", "</think>", "a", "<call>", "f X", "</call>", "bX", "c"], stops=("X",))
    assert text_of(pieces) == "ab"
    assert output.stopped == "X"


def test_what_was_held_back_comes_before_what_follows() -> None:
    pieces, _ = read(["a ST", "<call>", "f a", "</call>"], stops=("STOP",))
    assert pieces == [TextPiece("a "), TextPiece("ST"), ToolCallBegun("f"), ToolArguments('{"city": "a"}')]


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.data())
def test_stop_finder_does_not_depend_on_the_cuts(text: str, stops: list[str], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    finder, seen = StopFinder(stops), ""
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        seen += finder.feed(text[start:end])
        if finder.found is not None:
            break
    seen += finder.end()
    places = [(text.find(stop), -len(stop), stop) for stop in stops if stop in text]
    ends = [(place + len(stop), stop) for place, _, stop in places]
    if not places:
        assert (seen, finder.found) == (text, None)
    else:
        assert finder.found is not None
        assert seen == text[: len(seen)]
        assert text[len(seen) :].startswith(finder.found)
        assert len(seen) + len(finder.found) <= max(end for end, _ in ends)


def live_reader(**options: Any) -> OutputReader:
    """Of calls written `name city`, which a grammar holds; a name is known when a space follows it."""

    def script(reader: CallReader) -> Generator[None, None, None]:
        name, _ = yield from reader.until(" ")
        reader.begin(name)
        yield from reader.object()
        reader.close()
        yield from reader.until("</call>")

    known = FakeRunner().markers
    return OutputReader(
        Markers(known.splitter, "<call>", "</call>", known.parse_tool, lambda tools: CallReader(script)), **options
    )


def test_a_held_call_comes_as_it_grows() -> None:
    output = live_reader(stops=("STOP",))
    assert output.feed("Look ST") == [TextPiece("Look ")]
    assert output.feed("<call>", held=True) == [TextPiece("ST")]
    assert output.feed("wea", held=True) == []
    assert output.feed("ther {", held=True) == [ToolCallBegun("weather"), ToolArguments("{")]
    assert output.feed('"a": "</call>"', held=True) == [ToolArguments('"a": "</call>"')]
    assert output.cut
    assert output.feed("}</call>", held=True) == [ToolArguments("}")]
    assert output.feed("\n\nDone", held=False) == [TextPiece("Done")]
    assert (output.end(), output.calls, output.cut) == ([], 1, False)


def test_a_held_call_that_is_cut_keeps_what_was_shown() -> None:
    output = live_reader()
    for text in ("<call>", "f {", '"a'):
        output.feed(text, held=True)
    assert (output.end(), output.calls, output.cut) == ([], 1, True)


def test_a_held_call_that_is_cut_before_its_name_comes_back_as_text() -> None:
    output = live_reader()
    output.feed("<call>", held=True)
    output.feed("fun", held=True)
    assert (output.end(), output.calls) == ([TextPiece("<call>fun")], 0)


def test_a_call_that_nothing_holds_is_read_when_it_is_whole() -> None:
    output = live_reader()
    assert [piece for text in ("<call>", "f a") for piece in output.feed(text)] == []
    assert output.feed("</call>") == [ToolCallBegun("f"), ToolArguments('{"city": "a"}')]


def test_two_held_calls_in_a_row() -> None:
    output = live_reader()
    pieces = [
        piece
        for text in ("<call>", "f {}</call>", "\n", "<call>", "g {}</call>")
        for piece in output.feed(text, held=True)
    ]
    assert [piece.name for piece in pieces if isinstance(piece, ToolCallBegun)] == ["f", "g"]
    assert text_of(pieces) == ""
