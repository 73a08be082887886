"""What clients do wrong: a row for each fault, with what has to come of it.

The numbers C1 to C11 stand for kinds of faults: leaving, slowness, connections, bodies, heads. What must not get in at
all has its rows among the attacks.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.support.client_scenarios import (
    QUICK,
    ClientFault,
    among_idle_ones,
    behind_the_finish,
    chunked,
    drips,
    expects_continue,
    goes_on_after_a_refusal,
    half_closes,
    in_mid_answer,
    in_the_prompt,
    leaves,
    leaves_twice,
    pipelines,
    raw,
    says_more_than_its_length,
    sends,
    silent,
    stops_at,
    takes_it_late,
    takes_nothing,
)
from tests.support.faulty_client import ASK, SMALL_WINDOW, asking, bomb, in_chunks, squeezed

MB: Final = 1024 * 1024


def refused(name: str, body: bytes, **how: Any) -> ClientFault:
    """A body that nobody can read, or that is no request."""
    return ClientFault(f"C7 {name}", sends(body), (400,), **{"claude": (400,), **how})


def wrong(name: str, **fields: Any) -> ClientFault:
    """A request in which a field is wrong, which is for Claude to judge where requests are handed on."""
    return refused(name, asking(**fields), claude=("whole",))


def taken(name: str, body: bytes) -> ClientFault:
    return ClientFault(f"C7 {name}", sends(body), ("whole",), ("whole",), asked=1)


_TYPED: Final[Mapping[str, Any]] = {
    "a model that is a number": {"model": 5},
    "no model": {"model": None},
    "messages that are an object": {"messages": {}},
    "messages that are numbers": {"messages": [5]},
    "no messages": {"messages": []},
    "a role of nobody's": {"messages": [{"role": "root", "content": "Hi"}]},
    "content that is a number": {"messages": [{"role": "user", "content": 5}]},
    "blocks that are numbers": {"messages": [{"role": "user", "content": [5]}]},
    "a block's type that is a list": {"messages": [{"role": "user", "content": [{"type": []}]}]},
    "a result in a result that is a number": {
        "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [5]}]}]
    },
    "tools that are numbers": {"tools": [5]},
    "a tool without a name": {"tools": [{"input_schema": {}}]},
    "a system prompt that is a number": {"system": 5},
    "max_tokens that is text": {"max_tokens": "5"},
    "max_tokens below zero": {"max_tokens": -1},
    "a temperature that is an object": {"temperature": {}},
    "a choice that is a list": {"tool_choice": []},
    "thinking that is a number": {"thinking": 5},
    "stop sequences that are numbers": {"stop_sequences": [5]},
}

_DEEP: Final = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
_UNKNOWN: Final = [{"type": "hologram", "x": [1]}, {"type": "text", "text": "Hi"}]
_TWICE: Final = asking()[:-1] + b', "max_tokens": 7, "max_tokens": 9}'


def _with_content(text: str) -> bytes:
    """The text as it stands in JSON, escapes and all."""
    return json.dumps(ASK).replace('"Hi"', f'"{text}"').encode()


LEAVING: Final = (
    ClientFault("C1 leaves before the upstream answers", leaves(), upstream=silent, asked=1),
    ClientFault("C1 leaves in the prompt", leaves(), upstream=in_the_prompt, asked=1),
    ClientFault("C1 leaves in mid-answer", leaves(b"text_delta"), upstream=in_mid_answer, asked=1),
    ClientFault("C1 leaves behind the finish", leaves(b"message_stop"), upstream=behind_the_finish, asked=1),
    ClientFault("C1 leaves with a reset", leaves(b"text_delta", reset=True), upstream=in_mid_answer, asked=1),
    ClientFault("C1 leaves in its head", stops_at(0.2, leaving=True)),
    ClientFault("C1 leaves in its body", stops_at(0.9, leaving=True)),
    ClientFault("C2 leaves twice", leaves_twice, upstream=silent, asked=1),
    ClientFault("C10 closes its half after the request", half_closes, upstream=silent, asked=1),
)

SLOW: Final = (
    ClientFault("C3 takes nothing", takes_nothing, asked=1, patience=QUICK, window=SMALL_WINDOW),
    ClientFault("C3 takes it late", takes_it_late, ("whole",), ("whole",), asked=1, window=SMALL_WINDOW),
    ClientFault("C6 a body that stops", stops_at(0.9, leaving=False), (408,), (408,), patience=QUICK),
    ClientFault("C11 a head that stops", stops_at(0.2, leaving=False), (408,), (408,), patience=QUICK, closes=True),
    ClientFault("C11 a head that drips", drips, (408,), (408,), patience=QUICK, closes=True),
)

CONNECTED: Final = (
    ClientFault("C4 200 idle connections", among_idle_ones, ("whole",), ("whole",), asked=1),
    ClientFault("C5 20 requests at once", pipelines(20), ("whole",) * 20, ("whole",) * 20, asked=20),
    ClientFault("C5 goes on after a refusal", goes_on_after_a_refusal, (400, "whole"), (400, "whole"), asked=1),
    ClientFault("C6 more than its length", says_more_than_its_length, (400,), (400,), closes=True),
    ClientFault("C9 waits for 100", expects_continue, ("whole",), ("whole",), asked=1),
    ClientFault("C9 expects something else", sends(expect="a miracle"), (417,), (417,)),
)

BODIES: Final = (
    ClientFault("C6 announced as too large", sends(b"", content_length=str(65 * MB)), (413,), (413,)),
    ClientFault(
        "C6 in chunks of a byte", chunked(in_chunks(asking(system="x" * 2000), 1)), ("whole",), ("whole",), asked=1
    ),
    ClientFault("C6 too large in chunks", chunked(in_chunks(b" " * (65 * MB), MB)), (413,), (413,)),
    ClientFault("C6 a chunk without a size", chunked(b"zz\r\n{}\r\n0\r\n\r\n"), (400,), (400,)),
    ClientFault("C6 gzip", sends(squeezed(asking()), content_encoding="gzip"), ("whole",), ("whole",), asked=1),
    ClientFault("C6 a bomb", sends(bomb(70_000_000), content_encoding="gzip"), (413,), (413,)),
    ClientFault("C6 gzip that is none", sends(asking(), content_encoding="gzip"), (400,), (400,)),
    ClientFault("C6 gzip that is cut", sends(squeezed(asking())[:-30], content_encoding="gzip"), (400,), (400,)),
    ClientFault(  # its checksum is missing, and not a byte of what it says
        "C6 gzip without its trailer",
        sends(squeezed(asking())[:-8], content_encoding="gzip"),
        ("whole",),
        ("whole",),
        asked=1,
    ),
    refused("nothing", b""),
    refused("half an object", b"{"),
    refused("a list", b"[]"),
    refused("100,000 levels", _DEEP),
    refused("NaN", asking()[:-1] + b', "x": NaN}'),
    refused("5,000 digits", asking()[:-1] + b', "x": ' + b"9" * 5000 + b"}"),
    refused("no UTF-8", asking()[:-1] + b', "x": "\xff"}'),
    taken("duplicate keys", _TWICE),
    taken("half a character", _with_content("a\\ud800b")),
    taken("a NUL", _with_content("a\\u0000b")),
    taken("types of blocks that nobody knows", asking(messages=[{"role": "user", "content": _UNKNOWN}])),
    taken("fields that nobody knows", asking(new={"a": [1]}, metadata=5, context_management="x")),
    *(wrong(name, **fields) for name, fields in _TYPED.items()),
)

HEADS: Final = (
    ClientFault("C8 another content type", sends(content_type="text/plain"), (400,), (400,)),
    ClientFault("C8 no content type", sends(content_type=None), (400,), (400,)),
    ClientFault(
        "C8 a charset of nobody's", sends(content_type="application/json; charset=x"), ("whole",), ("whole",), asked=1
    ),
    *(ClientFault(f"C8 {method}", sends(b"", method=method), (405,), None) for method in ("GET", "PUT", "OPTIONS")),
    ClientFault("C8 a path of nobody's", sends(b"", method="GET", path="/v2/nothing"), (404,), (404,)),
    ClientFault("C8 a long path", sends(b"", method="GET", path="/" + "x" * 7000), (404,), (404,)),
    ClientFault("C8 a path that is too long", sends(b"", path="/" + "x" * 20_000), (400,), (400,), closes=True),
    ClientFault("C8 a header that is too long", sends(x_long="x" * 20_000), (400,), (400,), closes=True),
    ClientFault(
        "C8 no HTTP", raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), (400,), (400,), closes=True
    ),
    ClientFault("C8 HTTP/2", raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (400,), (400,), closes=True),
)

CLIENT_FAULTS: Final = (*LEAVING, *SLOW, *CONNECTED, *BODIES, *HEADS)
