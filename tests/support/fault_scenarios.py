"""What upstreams do wrong, in raw bytes: the scenarios of the tables `upstream_faults` and `chunk_faults`."""

import asyncio
import gzip
from collections.abc import Mapping
from itertools import count
from typing import Final

from tests.support.faulty_upstream import Scenario, Wire, head
from tests.support.raw_upstream import framed, sse
from tests.support.streams import text

KEY: Final = "sk-or-v1-0123456789abcdef0123456789abcdef"
"""The upstream's key in every run of the table; no client may ever see it."""

MB: Final = 1024 * 1024
PAGE: Final = b"<html><body>" + b"<p>A portal.</p>" * 20 + b"</body></html>"
ERROR: Final = {"type": "overloaded_error", "message": f"out of memory, says {KEY}", "code": 503}


async def nothing(wire: Wire) -> None:
    pass


async def silent(wire: Wire) -> None:
    await wire.gone()


async def head_then_silent(wire: Wire) -> None:
    await wire.send(head(200, transfer_encoding="chunked"))
    await wire.gone()


async def half_a_head(wire: Wire) -> None:
    await wire.send(head(200)[:40])
    await wire.gone()


async def stalls(wire: Wire) -> None:
    await wire.stream(wire.says.opening, end=b"")
    await wire.gone()


def sends(*parts: bytes) -> Scenario:
    """Exactly these bytes, and then the end of the connection."""

    async def play(wire: Wire) -> None:
        await wire.send(*parts)

    return play


def answers(status: int, body: bytes | Mapping[str, object], **headers: str) -> Scenario:
    async def play(wire: Wire) -> None:
        await wire.whole(status, body, **headers)

    return play


def refuses(status: int, said: str = "no", kind: str = "api_error", **headers: str) -> Scenario:
    return answers(status, {"type": "error", "error": {"type": kind, "message": said}}, **headers)


async def cut_chunked(wire: Wire) -> None:
    await wire.stream(wire.says.opening, end=b"")


async def cut_in_a_chunk(wire: Wire) -> None:
    await wire.stream(wire.says.opening, end=framed(wire.says.more)[:-20])


async def no_chunk_in_the_middle(wire: Wire) -> None:
    """What breaks HTTP, and then nothing: the connection stays open."""
    await wire.stream(wire.says.opening, end=b"no size at all\r\n")
    await wire.gone()


async def short_of_its_length(wire: Wire) -> None:
    await wire.send(head(200, content_length="9999"), wire.says.opening)


async def cut_unframed(wire: Wire) -> None:
    await wire.send(head(200, connection="close"), wire.says.opening)


async def reset(wire: Wire) -> None:
    await wire.stream(wire.says.opening, end=b"")
    wire.reset()


async def reset_before_the_head(wire: Wire) -> None:
    wire.reset()


async def gzip_cut(wire: Wire) -> None:
    squeezed = gzip.compress(wire.says.answer)
    await wire.stream(squeezed[: len(squeezed) // 2], content_encoding="gzip")


async def clean_end(wire: Wire) -> None:
    await wire.stream(wire.says.opening)


async def finish_without_mark(wire: Wire) -> None:
    await wire.stream(wire.says.opening, wire.says.more, wire.says.finish)


async def mark_without_finish(wire: Wire) -> None:
    await wire.stream(wire.says.opening, wire.says.more, wire.says.mark)


async def neither(wire: Wire) -> None:
    await wire.stream(wire.says.opening, wire.says.more)


async def lingers(wire: Wire) -> None:
    await wire.stream(wire.says.answer, end=b"")
    await wire.gone()


async def cut_behind_the_finish(wire: Wire) -> None:
    await wire.stream(wire.says.answer, end=b"")


async def bad_chunk_behind_the_finish(wire: Wire) -> None:
    await wire.stream(wire.says.answer, end=b"no size at all\r\n")


async def reset_behind_the_finish(wire: Wire) -> None:
    await cut_behind_the_finish(wire)
    wire.reset()


async def short_of_its_length_behind_the_finish(wire: Wire) -> None:
    await wire.send(head(200, content_length="99999"), wire.says.answer)


async def last_event_without_its_blank_line(wire: Wire) -> None:
    await wire.stream(wire.says.answer.removesuffix(b"\n\n"))


async def last_event_and_no_finish(wire: Wire) -> None:
    await wire.stream(wire.says.opening, wire.says.more.removesuffix(b"\n\n"))


def changed(before: bytes, after: bytes) -> Scenario:
    """The whole answer, with other line ends or fields."""

    async def play(wire: Wire) -> None:
        await wire.stream(wire.says.answer.replace(before, after))

    return play


async def mixed_line_ends(wire: Wire) -> None:
    said = wire.says
    parts = (said.opening.replace(b"\n", b"\r\n"), said.more.replace(b"\n", b"\r"), said.finish, said.mark)
    await wire.stream(*parts)


async def marked(wire: Wire) -> None:
    await wire.stream(b"\xef\xbb\xbf" + wire.says.answer)


async def commented(wire: Wire) -> None:
    said = wire.says
    await wire.stream(
        b": hello\n\n", said.opening, b": prefill 1/2\nid: 7\nretry: 10\nx: y\n\n", said.more, said.finish, said.mark
    )


async def over_several_lines(wire: Wire) -> None:
    """JSON takes a line end between its tokens."""
    await wire.stream(wire.says.answer.replace(b', "', b',\ndata: "'))


async def bad_utf8(wire: Wire) -> None:
    await wire.stream(wire.says.opening, wire.says.more.replace(b"lo.", b"l\xff."), wire.says.finish, wire.says.mark)


async def no_json(wire: Wire) -> None:
    await wire.stream(wire.says.opening, b"data: {oops\n\n", wire.says.more, wire.says.finish, wire.says.mark)


def endless_line(size: int) -> Scenario:
    """A line of so many bytes that does not end. The other side need not take it all."""

    async def play(wire: Wire) -> None:
        await wire.send(head(200, connection="close"), wire.says.opening)
        for _ in range(size // MB):
            await wire.connection.send(b"data: x" + b"x" * (MB - 7) if _ == 0 else b"x" * MB)

    return play


async def large_event(wire: Wire) -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * (10 * MB) + b'"}}]}\n\n'
    await wire.stream(wire.says.opening, event, wire.says.finish, wire.says.mark)


async def large_event_and_no_end(wire: Wire) -> None:
    """Whoever stopped reading it must not take the clean end for the end of the answer."""
    event = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'
    await wire.stream(wire.says.opening, event + b"x" * (10 * MB) + b'"}}\n\n')


async def error_first(wire: Wire) -> None:
    await wire.stream(wire.says.error(ERROR))


async def error_in_the_middle(wire: Wire) -> None:
    await wire.stream(wire.says.opening, wire.says.error(ERROR))


def redirects(status: int) -> Scenario:
    return answers(status, b"", location="http://127.0.0.1:9/v1/chat/completions")


def encoded(squeezed: bool, named: str) -> Scenario:
    """A whole answer that says how it is encoded, and is or is not."""

    async def play(wire: Wire) -> None:
        body = gzip.compress(wire.says.answer) if squeezed else wire.says.answer
        await wire.stream(body, content_encoding=named)

    return play


def typed(kind: str) -> Scenario:
    async def play(wire: Wire) -> None:
        await wire.stream(wire.says.answer, content_type=kind)

    return play


async def only_comments(wire: Wire) -> None:
    await wire.stream(wire.says.opening, end=b"")
    while not wire.connection.reader.at_eof() and not wire.connection.writer.is_closing():
        await wire.connection.send(framed(b": still here\n\n"))
        await asyncio.sleep(0)


async def words_without_end(wire: Wire) -> None:
    """Other ones each time, far beyond what was asked for."""
    await wire.stream(wire.says.opening, end=b"")
    for number in count():
        if wire.connection.reader.at_eof() or wire.connection.writer.is_closing():
            break
        words = " ".join(str(number * 1000 + word) for word in range(1000))
        await wire.connection.send(framed(sse(text(words))))


async def early_hints(wire: Wire) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(early, head(200, transfer_encoding="chunked"), framed(wire.says.answer), b"0\r\n\r\n")


async def trailers(wire: Wire) -> None:
    await wire.stream(wire.says.answer, end=b"0\r\nX-Usage: 7\r\nX-Other: a\r\n\r\n")


def behind_the_end(extra: bytes) -> Scenario:
    async def play(wire: Wire) -> None:
        await wire.stream(wire.says.answer, end=b"0\r\n\r\n" + extra)

    return play


async def chunk_extensions(wire: Wire) -> None:
    body = wire.says.answer
    await wire.send(head(200, transfer_encoding="chunked"), f"{len(body):X};a=b\r\n".encode(), body, b"\r\n0;c\r\n\r\n")
