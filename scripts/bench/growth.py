"""How the cost of the gateway grows: with the size of a request, with the number of streams, and with traces.

    python scripts/bench/growth.py [--only sizes|streams] [--rounds 3] [--sizes 10,85,1000] [--streams 1,50,500]

Beside the byte relay stand anyclaude, and anyclaude that keeps traces. Each row holds the best of the rounds, since
other work on the machine only adds. The longest gap is what another client sees of a request: its stream, a token every
two milliseconds, stands still for so long. The tables are Markdown: docs/reference/performance.md holds them, and
growth_plots.py draws them.
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

from answers import MARKER, Plan
from children import Child
from exchange import Address, Answer, ask, ask_at_once, post
from failure import BenchError
from question import SIZE, request_body, request_headers
from targets import set_plan, start_proxy, start_relay, start_upstream

_MARKER: Final = MARKER.encode()
_SIZES: Final = (10, 30, 85, 300, 1000, 3000, 10_000)  # kB
_STREAMS: Final = (1, 5, 20, 50, 100, 200, 500)
_SMALL: Final = 10_000  # bytes; such a request has few tools
_A_TURN: Final = 4000  # bytes of a conversation for each round of tool calls
_REST, _AT_REST, _PATIENCE = 0.2, 0.002, 30.0  # seconds: a rest in which so little is spent ends the wait
_BESIDE: Final = Plan(chunks=400, burst=1, pause_ms=2.0)
_STREAM: Final = Plan(chunks=100, burst=2, pause_ms=20.0)


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared."""

    name: str
    child: Child
    url: str
    token: str

    def asked(self, body: bytes) -> Address:
        return post(self.url, request_headers(self.token), body)


def main() -> int:
    options = _options()
    try:
        with ExitStack() as stack:
            _, url = start_upstream(stack)
            growth = Growth(_sides(url, stack), post(url, {}, b""), options.rounds)
            if options.only != "streams":
                _print(growth.sizes(options.sizes))
            if options.only != "sizes":
                _print(growth.streams(options.streams))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("sizes", "streams"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=_numbers, default=_SIZES, help="kB")
    parser.add_argument("--streams", type=_numbers, default=_STREAMS)
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _sides(upstream: str, stack: ExitStack) -> list[Side]:
    child, url = start_relay(upstream, stack)
    sides = [Side("relay", child, url, "")]
    for name, debug in (("anyclaude", 0), ("with traces", 3)):
        child, base, token = start_proxy(upstream, None, stack, debug)
        sides.append(Side(name, child, f"{base}/v1/messages?beta=true", token))
    return sides


class Growth:
    """control: of the upstream."""

    def __init__(self, sides: Sequence[Side], control: Address, rounds: int) -> None:
        self._sides = sides
        self._control = control
        self._rounds = rounds

    def sizes(self, sizes: Sequence[int]) -> Iterator[Sequence[str]]:
        names = [side.name for side in self._sides]
        yield ["request", *(f"{name}: CPU" for name in names), *(f"{name}: gap" for name in names)]
        for size in sizes:
            body = _request(size * 1000)
            spent = self._best(partial(self._request_cpu, body))
            gaps = self._best(partial(self._gap, body))
            yield [f"{size} kB", *(f"{value * 1e3:.2f} ms" for value in (*spent, *gaps))]

    def streams(self, counts: Sequence[int]) -> Iterator[Sequence[str]]:
        names = [side.name for side in self._sides]
        heads = ("CPU a stream", "last begins", "memory")
        yield ["streams", *(f"{name}: {head}" for head in heads for name in names)]
        for count in counts:
            found = [self._at_once(side, count) for side in self._sides]
            columns = zip(*found, strict=True)
            yield [str(count), *(cell for column in columns for cell in column)]

    def _set(self, plan: Plan) -> None:
        set_plan(self._control, plan.query())

    def _best(self, measure: Callable[[Side], float]) -> list[float]:
        """Of each side; they take turns."""
        rounds = [[measure(side) for side in self._sides] for _ in range(self._rounds)]
        return [min(values) for values in zip(*rounds, strict=True)]

    def _request_cpu(self, body: bytes, side: Side) -> float:
        """Seconds of CPU for a request with a tiny answer."""
        self._set(Plan())
        times = min(40, max(3, 2_000_000 // len(body)))
        with side.asked(body).connect() as link:
            ask(link, side.asked(body).wire, _MARKER)
            before = _settled(side)
            for _ in range(times):
                ask(link, side.asked(body).wire, _MARKER)
        return (_settled(side) - before) / times

    def _gap(self, body: bytes, side: Side) -> float:
        """The longest time, in seconds, for which another stream stands still because of the request."""
        self._set(_BESIDE)
        beside = _Beside(side.asked(_request(_SMALL)))
        beside.start()
        beside.begun.wait(10)
        self._set(Plan())
        with side.asked(body).connect() as link:
            began = time.perf_counter()
            ask(link, side.asked(body).wire, _MARKER)
        beside.join()
        return max(later - earlier for earlier, later in pairwise(beside.times) if later > began)

    def _at_once(self, side: Side, count: int) -> tuple[str, str, str]:
        self._set(_STREAM)
        before = _settled(side)
        answers, errors = ask_at_once(side.asked(_request(SIZE)), count, _MARKER)
        if errors:
            raise BenchError(f"{side.name}: {len(errors)} of {count} streams failed: {errors[0]}")
        spent = (_settled(side) - before) / count
        last = max(answer.first_content or answer.took for answer in answers)
        return f"{spent * 1e3:.2f} ms", f"{last * 1e3:.0f} ms", f"{side.child.rss_mb():.0f} MB"


class _Beside(threading.Thread):
    """Another client's stream, and when each piece of it came."""

    def __init__(self, address: Address) -> None:
        super().__init__(daemon=True)
        self.times: list[float] = []
        self.begun = threading.Event()
        self._address = address

    def run(self) -> None:
        answer = Answer(_MARKER, time.perf_counter())
        with self._address.connect() as link:
            link.sendall(self._address.wire)
            while not answer.feed(link.recv(1 << 16)):
                self.times.append(time.perf_counter())
                if answer.first_content is not None:
                    self.begun.set()


def _settled(side: Side) -> float:
    """Its CPU seconds, once it has written its traces, which it does beside its answers."""
    deadline, spent = time.monotonic() + _PATIENCE, side.child.cpu_seconds()
    while time.monotonic() < deadline:
        time.sleep(_REST)
        before, spent = spent, side.child.cpu_seconds()
        if spent - before < _AT_REST:
            break
    return spent


def _request(size: int) -> bytes:
    """A first request, or beyond its size a conversation of so many bytes."""
    if size < SIZE:
        return request_body(size, 0, tools=min(25, size // 2000))
    return request_body(size, (size - SIZE) // _A_TURN)


def _print(rows: Iterator[Sequence[str]]) -> None:
    for place, row in enumerate(rows):
        print("| " + " | ".join(row) + " |", flush=True)
        if place == 0:
            print("|" + "---|" * len(row))
    print()


if __name__ == "__main__":
    sys.exit(main())
