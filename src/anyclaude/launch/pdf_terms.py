"""What the reader of PDFs and who starts it agree on; apart from the reader, whose library takes 14 MB."""

from typing import Final

UNREADABLE: Final = 3
"""The exit code beside which the output is one sentence, why there is no text."""

LENGTH: Final = 8
"""Bytes in which the length of a PDF is told."""

MOST_CHARACTERS: Final = 400_000
"""Of a text; the rest is left out."""
