"""PDFs are read by a child process; whatever a file holds, what comes back is text."""

import pytest

from anyclaude.launch import pdf as reading
from anyclaude.launch.pdf import PdfReading
from anyclaude.launch.pdf_child import MOST_PAGES
from tests.support.pdf import pdf


async def test_the_text_of_its_pages() -> None:
    text = await PdfReading().text_of(pdf(["The first page.", "The second page."]))
    assert text == "--- page 1 of 2 ---\nThe first page.\n--- page 2 of 2 ---\nThe second page."


async def test_a_document_without_text_says_so() -> None:
    assert "may be scanned" in await PdfReading().text_of(pdf(["", ""]))


async def test_what_is_beyond_the_bounds_is_said_to_be_left_out() -> None:
    text = await PdfReading().text_of(pdf(["word"] * (MOST_PAGES + 5)))
    assert text.endswith("[the other 5 pages are left out]")


@pytest.mark.parametrize(
    "content", [b"", b"no PDF at all", b"%PDF-1.4\n" + b"\xff" * 1000, pdf(["cut"])[:200], b"%PDF-1.4" + b"[" * 100_000]
)
async def test_what_is_none_is_said_in_brackets(content: bytes) -> None:
    text = await PdfReading().text_of(content)
    assert text.startswith("[")
    assert "Traceback" not in text


async def test_one_that_takes_too_long_is_given_up() -> None:
    assert "could not be read within 0 seconds" in await PdfReading(deadline=0.001).text_of(pdf(["slow"]))


async def test_a_large_one_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 10)
    assert "larger than" in await PdfReading().text_of(pdf(["large"]))
