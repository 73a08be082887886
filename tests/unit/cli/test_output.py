"""What reaches the terminal."""

import io

import pytest

from anyclaude.cli.output import Terminal, plain, say
from anyclaude.trace.parts import printable


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_control_characters_of_others_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("model \x1b]0;evil\x07 of\r\nfour\x9b2J lines")
    assert capsys.readouterr().err == "anyclaude: model ?]0;evil? of four?2J lines\n"


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200f", "\u061c", "\ud800"])
def test_what_turns_text_around_or_cannot_be_printed_is_replaced(sign: str) -> None:
    assert plain(f"model {sign}x") == "model ?x"
    assert sign == "\ud800" or printable(f"model {sign}x") == "model x"


def test_words_are_untouched() -> None:
    assert plain("Modèle « é » 模型") == "Modèle « é » 模型"


def test_progress_rewrites_its_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    tty = Tty()
    monkeypatch.setattr("sys.stderr", tty)
    screen = Terminal()
    screen.progress("one")
    screen.progress("two")
    screen.say("done")
    assert tty.getvalue() == "\r\x1b[Kanyclaude: one\r\x1b[Kanyclaude: two\r\x1b[Kanyclaude: done\n"


def test_progress_is_a_line_for_each_new_text_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Terminal()
    for text in ("one", "one", "two"):
        screen.progress(text)
    screen.clear()
    assert capsys.readouterr().err == "anyclaude: one\nanyclaude: two\n"


def test_a_closed_stderr_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    say("nobody hears this")


def test_the_exports_are_two_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().exports({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_AUTH_TOKEN": "abc"})
    out, err = capsys.readouterr()
    assert out == "export ANTHROPIC_BASE_URL=http://127.0.0.1:9\nexport ANTHROPIC_AUTH_TOKEN=abc\n"
    assert err == ""


def test_exports_are_quoted_for_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().exports({"ANTHROPIC_CUSTOM_HEADERS": "x-anyclaude-token: abc"})
    assert capsys.readouterr().out == "export ANTHROPIC_CUSTOM_HEADERS='x-anyclaude-token: abc'\n"
