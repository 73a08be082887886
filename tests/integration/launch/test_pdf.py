"""PDFs are read by a child process; whatever a file holds, what comes back is text."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from anyclaude.launch import pdf as reading
from anyclaude.launch.pdf import PdfReading
from anyclaude.launch.pdf_child import MOST_PAGES
from anyclaude.launch.pdf_terms import MOST_CHARACTERS
from tests.support.pdf import pdf
from tests.support.pids import state, until_gone


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


async def test_a_page_that_is_too_long_is_cut() -> None:
    text = await PdfReading().text_of(pdf(["word " * (MOST_CHARACTERS // 5), "next"]))
    assert text.startswith("--- page 1 of 2 ---\nword word")
    text = await PdfReading().text_of(pdf(["word " * (MOST_CHARACTERS // 5 + 100), "next"]))
    assert text.endswith("word \n[the rest of this page is left out]\n[the other 1 pages are left out]")


async def test_what_is_encrypted_in_a_way_that_is_not_known_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    without = "import sys; sys.modules.update(cryptography=None, Crypto=None)"  # what pypdf would decrypt it with
    reads = "from anyclaude.launch.pdf_child import main; sys.exit(main())"
    monkeypatch.setattr(reading, "_COMMAND", (sys.executable, "-P", "-c", f"{without}; {reads}"))
    keys = "/V 5 /R 6 /CF << /StdCF << /CFM /AESV3 >> >> /StmF /StdCF /P -1 /O ({0}) /U ({0}) /OE ({1}) /UE ({1})"
    aes = f"/Encrypt << /Filter /Standard {keys.format('x' * 48, 'y' * 32)} /Perms (zzzzzzzzzzzzzzzz) >> /ID [(a) (b)]"
    text = await PdfReading().text_of(pdf(["secret"]).replace(b"/Root", f"{aes} /Root".encode()))
    assert text == "[it is encrypted or packed in a way that is not known here]"


async def test_the_child_sees_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "secret")
    said = "import os, sys; print(dict(os.environ), sys.argv)"
    monkeypatch.setattr(reading, "_COMMAND", (sys.executable, "-c", said))
    assert "secret" not in await PdfReading().text_of(b"PATH and such")


async def test_who_no_longer_waits_leaves_no_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    child = f"import os, time; f = open({str(started)!r}, 'w'); f.write(str(os.getpid())); f.close(); time.sleep(60)"
    monkeypatch.setattr(reading, "_COMMAND", (sys.executable, "-c", child))
    waiting = asyncio.create_task(PdfReading().text_of(b"x" * 1_000_000))
    number = int(await asyncio.to_thread(started.read_text))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


async def test_one_that_takes_too_long_is_given_up() -> None:
    assert "could not be read within 0 seconds" in await PdfReading(deadline=0.001).text_of(pdf(["slow"]))


async def test_a_large_one_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 10)
    assert "larger than" in await PdfReading().text_of(pdf(["large"]))


async def test_a_child_that_talks_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that a document has taken over: what it says fills nobody's memory, whether it listens or not."""
    endless = "import sys\nwhile True: sys.stdout.write('x' * 100_000)"
    monkeypatch.setattr(reading, "_COMMAND", (sys.executable, "-c", endless))
    assert await PdfReading().text_of(pdf(["x"]) + b" " * 10_000_000) == "[it cannot be read: reading it took too much]"


async def test_a_child_that_does_not_listen_says_why_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    says = "import sys\nsys.stdout.write('no room'); sys.exit(3)"
    monkeypatch.setattr(reading, "_COMMAND", (sys.executable, "-c", says))
    assert await PdfReading().text_of(b" " * 10_000_000) == "[no room]"


async def test_where_no_child_can_be_started_the_model_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_COMMAND", ("/nowhere/python",))
    assert (await PdfReading().text_of(pdf(["x"]))).startswith("[it cannot be read now")


async def test_when_the_proxy_is_killed_the_child_ends_itself(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    slow = (
        "import os, time; from anyclaude.launch import pdf_child as reading\n"
        f"def text_of(document): open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)\n"
        "reading.text_of = text_of; reading.main()"
    )
    asks = (
        "import asyncio, sys; from anyclaude.launch import pdf\n"
        f"pdf._COMMAND = (sys.executable, '-P', '-c', {slow!r})\n"
        "asyncio.run(pdf.PdfReading(600).text_of(b'x' * 1_000_000))"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", asks)
    child = int(await asyncio.to_thread(started.read_text))
    assert state(child) not in ("", "Z")
    parent.kill()
    await parent.wait()
    await until_gone(child)
