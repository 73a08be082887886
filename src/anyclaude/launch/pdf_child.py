"""The text of a PDF, from standard input to standard output: a program of its own, since it reads what strangers wrote.

It may use so much memory and processor time and no more, and nothing that it does can harm who asked. Standard input is
the number of bytes (`LENGTH` of them, the first the highest), then the PDF, and stays open: when it closes, whoever
asked is gone, and so is this.

Ends with 0 and text; with `UNREADABLE` and one sentence when the PDF cannot be read.
"""

import io
import logging
import os
import sys
import threading
from contextlib import suppress
from typing import Final

from pypdf import PdfReader
from pypdf.errors import DependencyError

from anyclaude.launch.pdf_terms import LENGTH, MOST_CHARACTERS, UNREADABLE

if sys.platform != "win32":
    import resource

MOST_PAGES: Final = 300
_MEMORY: Final = 1024**3  # bytes
_SECONDS: Final = 20
_ALONE: Final = 4


def main() -> int:
    _limit()
    logging.disable()  # what the library thinks of a file is of no use to a model
    document = sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(LENGTH)))
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        sys.stdout.buffer.write(text_of(document).encode("utf-8", "replace"))
    except DependencyError:
        sys.stdout.write("it is encrypted or packed in a way that is not known here")
        return UNREADABLE
    except Exception as error:  # what a broken file leads the library to is without end, and the model is told
        sys.stdout.write(f"it cannot be read ({type(error).__name__})")
        return UNREADABLE
    return 0


def text_of(document: bytes) -> str:
    """The text of all pages, with a line before each; what is beyond the bounds is said to be left out.

    Raises PyPdfError, and whatever a broken file leads the library to.
    """
    reader = PdfReader(io.BytesIO(document))
    if reader.is_encrypted and not reader.decrypt(""):
        return "[it is locked with a password]"
    pages, count = [], len(reader.pages)
    room = MOST_CHARACTERS
    for number in range(min(count, MOST_PAGES)):
        text = reader.pages[number].extract_text().strip()
        cut = text[:room] + "\n[the rest of this page is left out]" if len(text) > room else text
        pages.append(f"--- page {number + 1} of {count} ---\n{cut}")
        room -= len(text)
        if room <= 0:
            break
    if not any(page.partition("\n")[2] for page in pages):
        return f"[its {count} pages hold no text: it may be scanned]"
    left_out = [f"[the other {count - len(pages)} pages are left out]"] if len(pages) < count else []
    return "\n".join([*pages, *left_out])


def _end_with_stdin() -> None:
    """A parent that is killed cannot say so, but its end of the pipe closes."""
    while os.read(0, 4096):
        pass
    os._exit(_ALONE)


def _limit() -> None:
    if sys.platform != "win32":
        with suppress(ValueError, OSError):  # macOS bounds no address space
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))


if __name__ == "__main__":
    sys.exit(main())
