"""The table of what an upstream does wrong, U1 to U40, and what must come of each for the client.

Rows are written once, in frames that both dialects have. What is about the content of OpenAI's chunks stands in
`chunk_faults`. `openai` is the outcome with backends that convert, `claude` with the one that hands on; None: the row
says nothing about it. A whole answer says "Hello.", if nothing else is written, whoever gave it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tests.support import fault_scenarios as scenarios
from tests.support.fault_scenarios import ERROR, KEY, MB, PAGE
from tests.support.faulty_upstream import Scenario, head
from tests.support.oracle import Kind


@dataclass(frozen=True, slots=True)
class Fault:
    """status: of a refusal by one upstream, 0: not looked at. waits: for which deadline the product has to wait.

    at: an address in place of a server. says: the text of a whole answer. blocks: its content, where that is not one
    text. large: too long for every cut of every trial.
    """

    name: str
    play: Scenario | None
    openai: Kind | None
    claude: Kind | None
    status: int = 0
    waits: Literal["", "event", "end"] = ""
    at: str = ""
    says: str | None = "Hello."
    blocks: Sequence[Mapping[str, object]] | None = None
    large: bool = False
    headers: Mapping[str, str] | None = None

    @property
    def number(self) -> str:
        return self.name.partition(" ")[0]


_TOO_LONG = "This model's maximum context length is 10 tokens. However, you requested 20 tokens"
_LATIN = "text/event-stream; charset=iso-8859-1"

FAULTS: Final[Sequence[Fault]] = (
    Fault("U1 nobody listens", None, "refused", "refused", 502, at="http://127.0.0.1:{nobody}"),
    Fault("U2 a name that does not exist", None, "refused", "refused", 502, at="http://nowhere.invalid:80"),
    Fault("U3 accepted and closed", scenarios.nothing, "refused", "refused", 502),
    Fault("U3 accepted and reset", scenarios.reset_before_the_head, "refused", "refused", 502),
    Fault("U4 accepted and silent", scenarios.silent, "refused", "refused", 504, waits="event"),
    Fault("U5 a head that never ends", scenarios.half_a_head, "refused", "refused", 504, waits="event"),
    Fault("U6 a head and then nothing", scenarios.head_then_silent, "refused", "broken", 504, waits="event"),
    Fault("U7 silent in mid-stream", scenarios.stalls, "error event", "broken", waits="event"),
    Fault("U8 cut in the head", scenarios.sends(b"HTTP/1.1 200 OK\r\nContent-"), "refused", "refused", 502),
    Fault("U9 no HTTP", scenarios.sends(b"\x00\x01\x02 not http\r\n\r\n"), "refused", "refused", 502),
    Fault("U9 a status that is none", scenarios.sends(b"HTTP/1.1 abc OK\r\n\r\n"), "refused", "refused", 502),
    Fault("U10 a head of 200 KB", scenarios.sends(head(200, x="y" * 200_000)), "refused", "refused", 502, large=True),
    Fault(
        "U10 ten thousand headers",
        scenarios.sends(head(200, **{f"x{n}": "y" for n in range(10_000)})),
        "refused",
        "refused",
        502,
        large=True,
    ),
    Fault("U11 cut between two chunks", scenarios.cut_chunked, "error event", "broken"),
    Fault("U11 cut in a chunk", scenarios.cut_in_a_chunk, "error event", "broken"),
    Fault("U11 no chunk in mid-stream", scenarios.no_chunk_in_the_middle, "error event", "broken"),
    Fault("U12 short of its length", scenarios.short_of_its_length, "error event", "broken"),
    Fault("U13 cut without framing", scenarios.cut_unframed, "error event", "broken"),
    Fault("U14 reset in mid-stream", scenarios.reset, "error event", "broken"),
    Fault("U15 gzip that is cut", scenarios.gzip_cut, "error event", "broken"),
    Fault("U16 a finish without its mark", scenarios.finish_without_mark, "whole", "broken"),
    Fault("U16 a finish, and the connection stays open", scenarios.lingers, "whole", "whole", waits="end"),
    Fault("U16 a finish, and a cut behind it", scenarios.cut_behind_the_finish, "whole", "whole"),
    Fault("U16 a finish, and no chunk behind it", scenarios.bad_chunk_behind_the_finish, "whole", "whole"),
    Fault("U16 a finish, and a reset behind it", scenarios.reset_behind_the_finish, "whole", "whole"),
    Fault("U16 a finish, and short of its length", scenarios.short_of_its_length_behind_the_finish, "whole", "whole"),
    Fault("U17 the mark without a finish", scenarios.mark_without_finish, "error event", "whole"),
    Fault("U18 neither", scenarios.neither, "error event", "broken"),
    Fault("U18 a clean end in mid-stream", scenarios.clean_end, "error event", "broken"),
    Fault("U19 the last event without its blank line", scenarios.last_event_without_its_blank_line, "whole", "whole"),
    Fault("U19 the last event, and no finish", scenarios.last_event_and_no_finish, "error event", "broken"),
    Fault("U20 CRLF", scenarios.changed(b"\n", b"\r\n"), "whole", "whole"),
    Fault("U20 CR", scenarios.changed(b"\n", b"\r"), "whole", "whole"),
    Fault("U20 mixed line ends", scenarios.mixed_line_ends, "whole", "whole"),
    Fault("U20 a byte order mark", scenarios.marked, "whole", "whole"),
    Fault("U20 comments, ids and unknown fields", scenarios.commented, "whole", "whole"),
    Fault("U20 no space behind the colon", scenarios.changed(b"data: ", b"data:"), "whole", "whole"),
    Fault("U20 data in several lines", scenarios.over_several_lines, "whole", "whole"),
    Fault("U22 invalid UTF-8", scenarios.bad_utf8, "error event", "whole"),
    Fault("U23 no JSON", scenarios.no_json, "error event", "whole"),
    Fault("U25 a line without an end", scenarios.endless_line(64 * MB), "error event", "broken", large=True),
    Fault("U26 an event of 10 MB", scenarios.large_event, "error event", None, large=True),
    Fault("U26 an event of 10 MB, and no end", scenarios.large_event_and_no_end, "error event", "broken", large=True),
    Fault("U27 an error for an answer", scenarios.answers(200, {"error": ERROR}), "refused", "handed on", 529),
    Fault("U27 an error as the first event", scenarios.error_first, "refused", "error event", 529),
    Fault("U27 an error in mid-stream", scenarios.error_in_the_middle, "error event", "error event"),
    Fault(
        "U28 a page for an answer", scenarios.answers(200, PAGE, content_type="text/html"), "refused", "handed on", 502
    ),
    Fault("U28 a page with 502", scenarios.answers(502, PAGE, content_type="text/html"), "refused", "refused", 502),
    Fault("U28 a page that claims to be JSON", scenarios.answers(200, PAGE), "refused", "handed on", 502),
    Fault(
        "U29 nothing in a 200", scenarios.answers(200, b"", content_type="text/event-stream"), "refused", "broken", 502
    ),
    Fault("U29 nothing in a 200, as JSON", scenarios.answers(200, b""), "refused", "handed on", 502),
    Fault("U30 204", scenarios.sends(head(204)), "refused", "handed on", 502),
    Fault(
        "U31 429 and seconds",
        scenarios.refuses(429, kind="rate_limit_error", retry_after="7"),
        "refused",
        "refused",
        429,
        headers={"retry-after": "7"},
    ),
    Fault(
        "U31 429 and a date",
        scenarios.refuses(429, kind="rate_limit_error", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
        "refused",
        "refused",
        429,
        headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"},
    ),
    Fault("U31 503", scenarios.refuses(503, retry_after="3"), "refused", "refused", 529, headers={"retry-after": "3"}),
    Fault("U31 529", scenarios.refuses(529, kind="overloaded_error"), "refused", "refused", 529),
    Fault("U31 401", scenarios.refuses(401, f"bad key {KEY}", "authentication_error"), "refused", "refused", 400),
    Fault("U31 403", scenarios.refuses(403, kind="permission_error"), "refused", "refused", 400),
    Fault(
        "U31 a prompt that is too long",
        scenarios.refuses(400, _TOO_LONG, "invalid_request_error"),
        "refused",
        "refused",
        400,
    ),
    Fault(
        "U31 a refusal that is cut",
        scenarios.sends(b'HTTP/1.1 429 X\r\nContent-Length: 999\r\nRetry-After: 7\r\n\r\n{"err'),
        "refused",
        "broken",
        429,
    ),
    Fault("U32 301 to elsewhere", scenarios.redirects(301), "refused", "refused", 502),
    Fault("U32 307 to elsewhere", scenarios.redirects(307), "refused", "refused", 502),
    Fault("U32 308 to elsewhere", scenarios.redirects(308), "refused", "refused", 502),
    Fault("U33 gzip that nobody asked for", scenarios.encoded(True, "gzip"), "whole", "whole"),
    Fault("U33 gzip that is none", scenarios.encoded(False, "gzip"), "refused", "broken", 502),
    Fault("U33 an encoding that nobody knows", scenarios.encoded(False, "x-unknown"), "whole", "whole"),
    Fault("U33 a stream as octets", scenarios.typed("application/octet-stream"), "whole", "handed on"),
    Fault("U33 a stream as text", scenarios.typed("text/plain"), "whole", "handed on"),
    Fault("U33 another charset", scenarios.typed(_LATIN), "whole", "whole"),
    Fault("U34 comments alone in mid-stream", scenarios.only_comments, "error event", None, waits="event"),
    Fault("U34 words without end", scenarios.words_without_end, "whole", None, says=None, large=True),
    Fault("U38 interim answers before the head", scenarios.early_hints, "whole", "whole"),
    Fault("U38 trailers", scenarios.trailers, "whole", "whole"),
    Fault("U38 a line end behind the end", scenarios.behind_the_end(b"\r\n"), "whole", "whole"),
    Fault(
        "U38 another answer behind the end",
        scenarios.behind_the_end(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"),
        "whole",
        "whole",
    ),
    Fault("U38 garbage behind the end", scenarios.behind_the_end(b"\x00\x01garbage\r\n\r\n"), "whole", "whole"),
    Fault("U38 chunk extensions", scenarios.chunk_extensions, "whole", "whole"),
)
