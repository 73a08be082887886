"""What a scanner has said and not handed out yet, and where in the text that has brought it."""

from itertools import groupby

from anyclaude.convert.text_calls.pieces import Call, Piece, Text, Thinking
from anyclaude.convert.text_calls.place import Place


class Said:
    """lead: white space before the first word; it goes out with that word, or never. place: where its end is."""

    def __init__(self) -> None:
        self.lead = ""
        self.place = Place()
        self._pieces: list[Piece] = []

    def blank(self, text: str) -> None:
        self.lead += text
        self.place.feed(text)

    def text(self, text: str) -> None:
        if text:
            self.place.feed(text)
            self._pieces.append(Text(self.lead + text))
            self.lead = ""

    def blank_text(self) -> None:
        """The white space is a text of its own."""
        if self.lead:
            self._pieces.append(Text(self.lead))
            self.lead = ""

    def thinking(self, text: str) -> None:
        if text:
            self._pieces.append(Thinking(text))

    def calls(self, calls: list[Call]) -> None:
        self._pieces += calls

    def new_text(self) -> None:
        """What comes now has nothing to do with what was before."""
        self.lead, self.place = "", Place()

    def take(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces if len(pieces) < 2 else joined(pieces)


def joined(pieces: list[Piece]) -> list[Piece]:
    """The same with neighbours of one kind as one; calls are never one."""
    whole: list[Piece] = []
    for kind, same in groupby(pieces, type):
        if kind is Call:
            whole += same
        else:
            text = "".join(piece.text for piece in same if not isinstance(piece, Call))
            whole.append(Text(text) if kind is Text else Thinking(text))
    return whole
