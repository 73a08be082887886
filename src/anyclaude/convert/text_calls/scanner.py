"""The scanner: an answer's text in, in any pieces; text, thinking and calls out.

An answer is thinking, then text, then calls, each of which may be missing. Calls are the first place from which on
everything is calls: so what follows one has to be another one, white space or the mark of an ended turn. A place that
turns out to be no call goes out as it stood, and the search goes on behind what was read. Thus each character is read
once, and nothing is taken out of what stands inside of something else.

Text goes out at once but for an end that may still become an opener. From an opener on everything is held, until it is
seen to be no call, at the latest when `largest` characters are held.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from anyclaude.convert.text_calls import harmony, thinking
from anyclaude.convert.text_calls.attempt import Attempt, Declared, Fitting, Format, Turn
from anyclaude.convert.text_calls.formats import BY_OPENER, MARKS, WHOLE, all_calls
from anyclaude.convert.text_calls.marks import Marks
from anyclaude.convert.text_calls.pieces import Piece, Text
from anyclaude.convert.text_calls.said import Said
from anyclaude.convert.text_calls.tape import NotACall, Reading, Tape, blank_end
from anyclaude.wire.json import whole_characters

LARGEST: Final = 1024 * 1024
_MOST_BLANK: Final = 4096
_HEADERS: Final = Marks(one.opener for one in harmony.HEADERS)
_MESSAGE_ENDS: Final = Marks((*harmony.ENDS, harmony.START, harmony.CHANNEL))


class TextCalls:
    """One answer. tools: the schema of each tool's arguments by its name; without any only thinking is told apart.

    opened: the chat template has written the opening tag of the thinking, so that the answer begins within it.
    fitting: takes arguments that do not fit the schema as they are, because they will be mended.
    largest: characters of calls that are held; more of them come out as text.
    """

    def __init__(
        self,
        tools: Mapping[str, Any],
        *,
        opened: bool = False,
        fitting: Fitting | None = None,
        largest: int = LARGEST,
    ) -> None:
        self._declared = Declared(tools, fitting)
        self._has_tools = bool(tools)
        self._largest = largest
        self._tape = Tape()
        self._said = Said()
        self._half = ""  # the first half of a character that was cut
        self._thought: bool = False  # thinking has ended
        self._in_harmony = False
        self._in_message = False
        self._closer = thinking.ANY_CLOSER
        self._script: Reading[None] | None = None
        self._attempt = self._new_attempt()
        self._state: Callable[[], bool] = self._opened if opened else self._begin
        self._use_marks()

    def feed(self, text: str) -> list[Piece]:
        """The pieces that are settled now. Neighbours of one kind are one piece."""
        if self.passes(text):
            return [Text(text)] if text else []
        if self._half or not text.isascii():
            text, self._half = whole_characters(self._half + text)
        self._tape.add(text)
        return self._run()

    def passes(self, text: str) -> bool:
        """Whether a text goes out at once and as it is: the common case, at its speed. It counts as fed then."""
        if self._state != self._in_text or not text.isascii() or self._marks.has_first(text):
            return False
        if self._half or self._said.lead or not self._tape.over:
            return False
        self._said.place.feed(text)
        return True

    def end(self, *, cut: bool = False) -> list[Piece]:
        """What is left. cut: the answer was not finished, so that no call in it counts."""
        self._tape.add(self._half)
        self._half = ""
        self._run_states()
        self._tape.ended = True
        if cut:
            self._declared, self._has_tools = Declared({}), False
            self._use_marks()
            self._give_up_attempt()
        return self._run()

    def let_go(self) -> list[Piece]:
        """Something else comes in between: what has begun ends here, as text. The scan goes on."""
        self._give_up_attempt()
        if self._state == self._begin and not self._tape.over:
            self._begin_text()
        self._run_states()
        if self._state == self._in_text:
            self._said.text(self._tape.to(len(self._tape.text)))
        return self._said.take()

    @property
    def has_calls(self) -> bool:
        """Calls are held, and they are whole: whether they count is decided by what follows."""
        return self._state == self._attempted and self._attempt.is_complete and self._attempt.has_calls

    def no_thinking(self) -> None:
        """The server tells thinking from text itself."""
        if self._state in (self._opened, self._before_thought):
            self._state = self._begin

    # -- the states: each reads what it can, and says whether another one has more to read -------------------------

    def _run(self) -> list[Piece]:
        self._run_states()
        return self._said.take()

    def _run_states(self) -> None:
        while self._state():
            pass

    def _opened(self) -> bool:
        """Within thinking from the beginning; servers that write the opening tag all the same do no harm."""
        tape = self._tape
        self._skip_blank()
        if not tape.ended and (tape.over or thinking.OPENERS.may_begin(tape.text, tape.at)):
            return False
        if found := thinking.OPENERS.match(tape.text, tape.at):
            tape.at += len(found)
        self._state = self._before_thought
        return True

    def _begin(self) -> bool:
        """Before the first word of an answer, or of what follows thinking."""
        tape = self._tape
        self._skip_blank()
        is_long = len(self._said.lead) > _MOST_BLANK
        if tape.over and not tape.ended and not is_long:
            return False
        if is_long:
            self._said.blank_text()
            self._begin_text()
        elif not self._thought and (found := thinking.OPENERS.match(tape.text, tape.at)):
            tape.at += len(found)
            self._closer = thinking.CLOSER[found]
            self._state = self._before_thought
        elif self._has_tools and (found := MARKS["whole"].match(tape.text, tape.at)) and not self._may_be_mark():
            self._open(WHOLE[found])
        elif not tape.ended and not tape.over and self._may_be_something():
            return False
        else:
            self._in_harmony = self._in_harmony or bool(_HEADERS.match(tape.text, tape.at))
            self._begin_text()
        return True

    def _begin_text(self) -> None:
        self._use_marks()
        self._state = self._in_text

    def _skip_blank(self) -> None:
        self._said.blank(self._tape.to(blank_end(self._tape.text, self._tape.at)))

    def _may_be_mark(self) -> bool:
        """A mark begins here, or may once there is more."""
        tape = self._tape
        others = (self._marks,) if self._thought else (self._marks, thinking.OPENERS)
        return bool(self._marks.match(tape.text, tape.at)) or (
            not tape.ended and any(marks.may_begin(tape.text, tape.at) for marks in others)
        )

    def _may_be_something(self) -> bool:
        tape = self._tape
        wanted = (thinking.OPENERS, MARKS["whole"], self._marks)
        return any(marks.may_begin(tape.text, tape.at) for marks in wanted)

    def _before_thought(self) -> bool:
        return self._skip_layout(self._think)

    def _after_thought(self) -> bool:
        return self._skip_layout(self._begin)

    def _skip_layout(self, then: Callable[[], bool]) -> bool:
        self._skip_blank()
        self._said.lead = ""
        if self._tape.over:
            return False
        self._state = then
        return True

    def _think(self) -> bool:
        tape = self._tape
        if found := self._closer.search(tape.text, tape.at):
            self._said.thinking(tape.to(found.start()))
            if found[0] not in (harmony.START, harmony.CHANNEL):
                tape.at = found.end()
            self._said.new_text()
            self._thought, self._state = True, self._after_thought
            return True
        place = len(tape.text) if tape.ended else self._closer.beginning(tape.text, tape.at)
        self._said.thinking(tape.to(place))
        return False

    def _in_text(self) -> bool:
        tape = self._tape
        while found := self._marks.search(tape.text, tape.at):
            self._said.text(tape.to(found.start()))
            one = BY_OPENER[found[0]]
            if not self._said.place.in_code and (one.anywhere or self._said.place.is_free):
                self._open(one)
                return True
            self._said.text(tape.to(found.end()))
        place = self._marks.beginning(tape.text, tape.at)
        self._said.text(tape.to(place))
        if not tape.over and (tape.ended or self._said.place.in_code):
            self._said.text(tape.to(len(tape.text)))
        return False

    def _attempted(self) -> bool:
        assert self._script is not None
        try:
            next(self._script)
        except StopIteration:
            return self._settle()
        except NotACall:
            self._give_up()
            return True
        except Turn as turn:
            self._turn(turn)
            return True
        if self._tape.held > self._largest:
            self._give_up()
            return True
        return False

    def _deaf(self) -> bool:
        self._said.text(self._tape.to(len(self._tape.text)))
        return False

    # -- attempts -------------------------------------------------------------------------------------------------

    def _new_attempt(self) -> Attempt:
        return Attempt(self._tape, self._declared, in_harmony=self._in_harmony, in_message=self._in_message)

    def _open(self, one: Format) -> None:
        self._tape.hold()
        self._attempt = self._new_attempt()
        self._script = all_calls(self._attempt, one)
        self._state = self._attempted

    def _give_up(self) -> None:
        """No call: what was read is text, and so is all the rest where it became too large."""
        self._state = self._deaf if self._tape.held > self._largest else self._in_text
        self._in_message = False
        self._said.text(self._tape.release())

    def _give_up_attempt(self) -> None:
        if self._state == self._attempted:
            self._give_up()

    def _settle(self) -> bool:
        """The answer is over, and was calls to its end."""
        if self._tape.held > self._largest:
            self._give_up()
            return True
        held = self._tape.release()
        self._said.calls(self._attempt.calls(held))
        self._state = self._deaf
        return False

    def _turn(self, turn: Turn) -> None:
        """A header: calls before it are followed by something else, so they are text."""
        if self._tape.held > self._largest:
            self._give_up()
            return
        held = self._tape.release()
        if self._attempt.has_calls:
            self._said.text(held[: self._attempt.start])
        self._said.lead = ""
        if turn.into == "thinking":
            self._closer, self._state = _MESSAGE_ENDS, self._before_thought
        else:
            self._state = self._in_text
        self._in_message = turn.into == "text"

    def _use_marks(self) -> None:
        if not self._has_tools:
            self._marks = MARKS["thought only"]
        else:
            self._marks = MARKS["in harmony" if self._in_harmony else "outside"]
