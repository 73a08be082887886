"""Tool calls that a model wrote as text, and thinking in text. Pure: text in, pieces out.

`scanner` reads an answer, `formats` lists the ways in which calls are written.
"""

from anyclaude.convert.text_calls.pieces import Call, Piece, Text, Thinking
from anyclaude.convert.text_calls.scanner import TextCalls
from anyclaude.convert.text_calls.schema import fits

__all__ = ["Call", "Piece", "Text", "TextCalls", "Thinking", "fits"]
