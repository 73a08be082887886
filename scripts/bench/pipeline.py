"""What each step of the conversion costs, without sockets, loops or other processes.

    python scripts/bench/pipeline.py [--chunks 3000] [--repeat 30] [--request-bytes 85000]

A recorded-like answer goes through one step after the other in pieces of 16 KiB, as the gateway reads it; so does a
request. Each step gets what the one before it made, and the best of the repetitions counts. What `gateway.py` measures
beyond the sum of these is aiohttp and the event loop.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from answers import Kind, Plan, events
from question import request_body

from anyclaude.backends.lmstudio import PROFILE
from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.message import MessageWriter
from anyclaude.convert.request import convert_request
from anyclaude.convert.tool_calls import ToolIds
from anyclaude.convert.validate import validate_request
from anyclaude.wire.anthropic import encode_event
from anyclaude.wire.events import ModelEvent
from anyclaude.wire.json import decode_lenient, decode_object, encode
from anyclaude.wire.sse import ServerEvent, SseDecoder

_READ = 16 * 1024

Step = tuple[str, float]


def main() -> None:
    options = _options()
    kinds: tuple[Kind, ...] = ("text", "tool")
    for kind in kinds:
        steps = answer_steps(Plan(kind, options.chunks), options.repeat)
        _print(f"answer, {kind}: µs a chunk", steps, options.chunks / 1e6)
    request = request_body(options.request_bytes, options.turns)
    _print(f"request of {len(request)} bytes: ms", request_steps(request, options.repeat), 1e-3)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The cost of each step of the conversion, in this process.")
    parser.add_argument("--chunks", type=int, default=3000)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--request-bytes", type=int, default=85_000)
    parser.add_argument("--turns", type=int, default=0)
    return parser.parse_args()


def answer_steps(plan: Plan, repeat: int) -> list[Step]:
    """Seconds for the whole answer, step by step."""
    stream = b"".join(events(plan))
    reads = [stream[at : at + _READ] for at in range(0, len(stream), _READ)]
    payloads = [[event.data for event in batch] for batch in _decoded(reads)]
    chunks = [[decode_lenient(payload) for payload in batch if payload != b"[DONE]"] for batch in payloads]
    spoken = _read(chunks)
    written = _written(spoken)
    return [
        ("SSE bytes to events", _best(lambda: _decoded(reads), repeat)),
        ("JSON to chunks", _best(lambda: [decode_lenient(one) for batch in payloads for one in batch], repeat)),
        ("chunks to model events", _best(lambda: _read(chunks), repeat)),
        ("model events to Anthropic's", _best(lambda: _written(spoken), repeat)),
        ("Anthropic's to bytes", _best(lambda: [b"".join(map(encode_event, batch)) for batch in written], repeat)),
    ]


def request_steps(body: bytes, repeat: int) -> list[Step]:
    """Seconds for one request, step by step."""
    request = decode_object(body)
    converted = convert_request(request, PROFILE, "bench")
    return [
        ("bytes to request", _best(lambda: decode_object(body), repeat)),
        ("validate", _best(lambda: validate_request(request), repeat)),
        ("convert", _best(lambda: convert_request(request, PROFILE, "bench"), repeat)),
        ("request to bytes", _best(lambda: encode(converted), repeat)),
    ]


def _decoded(reads: Sequence[bytes]) -> list[list[ServerEvent]]:
    decoder = SseDecoder()
    return [decoder.feed(read) for read in reads]


def _read(chunks: Sequence[Sequence[object]]) -> list[list[ModelEvent]]:
    reader = ChunkReader(ToolIds((), lambda: "toolu_bench"))
    return [*(_burst(reader, batch) for batch in chunks), reader.end()]


def _burst(reader: ChunkReader, chunks: Sequence[object]) -> list[ModelEvent]:
    for chunk in chunks:
        reader.take(chunk)
    return reader.taken()


def _written(spoken: Sequence[Sequence[ModelEvent]]) -> list[list[Any]]:
    writer = MessageWriter("msg_bench", "bench")
    return [[writer.start()], *(writer.feed(batch) for batch in spoken)]


def _best(step: Callable[[], object], repeat: int) -> float:
    """CPU seconds of the repetition that took least."""
    taken = []
    for _ in range(repeat):
        began = time.process_time()
        step()
        taken.append(time.process_time() - began)
    return min(taken)


def _print(head: str, steps: Sequence[Step], unit: float) -> None:
    print(head)
    for name, seconds in [*steps, ("together", sum(seconds for _, seconds in steps))]:
        print(f"  {name:<30}{seconds / unit:8.3f}")


if __name__ == "__main__":
    main()
