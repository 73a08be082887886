"""What one look at the running proxies comes to, and what happened since the looks before it.

Tokens of an answer are known when it is over, its events as they come. So the speed of now is that of the events, times
the tokens that an event had in the answers that are over; the speeds of prompts and answers are those of whole ones.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from anyclaude.cli.cluster_proxies import ByProxies, together
from anyclaude.cli.proxies import Told
from anyclaude.cli.said import amount, count, mapping, mappings, text

_LATELY: Final = 30.0
"""Seconds to whose end answers count for the speeds of prompts and answers."""
_NOW: Final = 5.0
"""Seconds over which the speed of now is taken."""

Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend of a proxy, since that began; None for what is not known.

    out: tokens a second of all its answers of now together. prefill, decode: tokens a second of prompts, as far as they
    had to be computed, and of one answer, of the last half minute, else since the beginning. cached: the share of
    prompts' tokens that had not to be computed; kept: the share of prompts with which the next ones began. broken: how
    often what broke that.
    """

    name: str
    model: str = ""
    queue: int | None = None
    out: float | None = None
    prefill: float | None = None
    decode: float | None = None
    cached: float | None = None
    kept: float | None = None
    done: int = 0
    failed: int = 0
    left: int = 0
    repairs: int = 0
    retries: int = 0
    fallbacks: int = 0
    broken: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proxy:
    """started: seconds since 1970. streams, wholes: requests that are being answered."""

    pid: int
    url: str
    version: str
    mode: str
    started: float
    streams: int
    wholes: int
    backends: tuple[Backend, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the cluster. by: what all proxies see of it together; the rest is what the first of them says."""

    id: str
    address: str
    status: str
    model: str
    drained: bool
    pending_tokens: int
    prefill: float | None
    decode: float | None
    by: ByProxies


@dataclass(frozen=True, slots=True)
class Failing:
    """at: seconds since 1970."""

    at: float
    pid: int
    backend: str
    status: int
    error: str


@dataclass(frozen=True, slots=True)
class Seen:
    """silent: process ids of proxies that did not answer. errors: the last of all proxies, the latest first."""

    proxies: tuple[Proxy, ...] = ()
    silent: tuple[int, ...] = ()
    nodes: tuple[Node, ...] = ()
    errors: tuple[Failing, ...] = ()

    @property
    def somebody(self) -> bool:
        """Whether any proxy is running."""
        return bool(self.proxies or self.silent)


class Looks:
    """The looks of the last half minute, with each of which the next can be compared."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Mapping[str, Status]]] = deque()

    def seen(self, told: Sequence[Told], now: float, silent: Sequence[int] = ()) -> Seen:
        """What a look shows. now: seconds on a clock that never goes back. silent: those that did not answer."""
        while self._kept and self._kept[0][0] < now - _LATELY:
            self._kept.popleft()
        proxies = tuple(self._proxy(one, now) for one in told)
        self._kept.append((now, {one.proxy.url: one.status for one in told}))
        return Seen(proxies, tuple(silent), tuple(_nodes(told)), tuple(_errors(told)))

    def _proxy(self, told: Told, now: float) -> Proxy:
        status, url = told.status, told.proxy.url
        in_flight = mapping(status.get("in_flight"))
        return Proxy(
            told.proxy.pid,
            url,
            text(status.get("version")),
            told.proxy.mode,
            told.proxy.started,
            count(in_flight.get("streams")),
            count(in_flight.get("whole")),
            tuple(self._backend(name, said, status, url, now) for name, said in _backends(status).items()),
        )

    def _backend(self, name: str, said: Status, status: Status, url: str, now: float) -> Backend:
        of = _requests(status, name)
        outcomes, tokens, prefix = (mapping(of.get(key)) for key in ("outcomes", "tokens", "prefix"))
        before = self._before(url, name, now - _LATELY)
        earlier = before[1] if before else {}
        return Backend(
            name=name,
            model=text(said.get("model")),
            queue=None if said.get("queue") is None else count(said["queue"]),
            out=_out(of, self._before(url, name, now - _NOW), now),
            prefill=_speed(of.get("prefill"), earlier.get("prefill")),
            decode=_speed(of.get("decode"), earlier.get("decode")),
            cached=_share(tokens.get("cached"), tokens.get("prompt")) or None,
            kept=_share(prefix.get("kept_bytes"), prefix.get("before_bytes")),
            done=count(outcomes.get("complete")),
            failed=count(outcomes.get("error")),
            left=count(outcomes.get("left")),
            repairs=count(of.get("repairs")),
            retries=count(of.get("retries")),
            fallbacks=count(of.get("fallbacks")),
            broken={cause: count(number) for cause, number in mapping(prefix.get("broken")).items()},
        )

    def _before(self, url: str, name: str, since: float) -> tuple[float, Status] | None:
        """When the proxy was first seen since then, and what it said of the backend."""
        looks = ((at, statuses[url]) for at, statuses in self._kept if at >= since and url in statuses)
        return next(((at, _requests(status, name)) for at, status in looks), None)


def _backends(status: Status) -> dict[str, Status]:
    """The main one, and those that have answered."""
    told = {text(one.get("name")): one for one in mappings(status.get("backends"))}
    main = next(iter(told), None)
    used = [name for name, of in mapping(status.get("requests")).items() if mapping(mapping(of).get("outcomes"))]
    return {name: told.get(name, {}) for name in dict.fromkeys([main, *used]) if name is not None}


def _requests(status: Status, backend: str) -> Status:
    return mapping(mapping(status.get("requests")).get(backend))


def _out(of: Status, before: tuple[float, Status] | None, now: float) -> float | None:
    if before is None or now <= before[0] or "streamed_events" not in of:
        return None
    events = count(of["streamed_events"]) - count(before[1].get("streamed_events"))
    decode = mapping(of.get("decode"))
    tokens, told = count(decode.get("tokens")), count(decode.get("events"))
    return max(0, events) * (tokens / told if tokens and told else 1.0) / (now - before[0])


def _speed(now: object, before: object) -> float | None:
    """Tokens a second of what came between the two; of all where nothing did."""
    (tokens, seconds), (old_tokens, old_seconds) = _spent(now), _spent(before)
    if seconds > old_seconds:
        tokens, seconds = tokens - old_tokens, seconds - old_seconds
    return tokens / seconds if seconds > 0 and tokens > 0 else None


def _spent(speed: object) -> tuple[int, float]:
    said = mapping(speed)
    return count(said.get("tokens")), amount(said.get("seconds")) or 0.0


def _share(part: object, whole: object) -> float | None:
    return min(1.0, count(part) / count(whole)) if count(whole) else None


def _nodes(told: Sequence[Told]) -> Iterable[Node]:
    merged = together(one.status for one in told).nodes
    said: dict[str, Status] = {}
    for one in told:
        for backend in mappings(one.status.get("backends")):
            said = {text(node.get("address")): node for node in mappings(backend.get("nodes"))} | said
    for address, by in merged.items():
        node = said.get(address, {})
        yield Node(
            id=text(node.get("id")) or address,
            address=address,
            status=text(node.get("status")),
            model=text(node.get("model")),
            drained=node.get("drained") is True,
            pending_tokens=count(node.get("pending_tokens")),
            prefill=amount(node.get("prefill_tps")),
            decode=amount(node.get("decode_tps")),
            by=by,
        )


def _errors(told: Sequence[Told]) -> list[Failing]:
    found = [
        Failing(
            amount(error.get("at")) or 0.0,
            one.proxy.pid,
            text(error.get("backend")),
            count(error.get("status")),
            text(error.get("error")),
        )
        for one in told
        for error in mappings(one.status.get("errors"))
    ]
    return sorted(found, key=lambda failing: failing.at, reverse=True)
