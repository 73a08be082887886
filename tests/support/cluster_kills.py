"""Nodes killed one after the other under load, each started again once every session was answered elsewhere."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.support.cluster_load import Killable, Load, cluster_of, loaded

SESSIONS = 6


@dataclass(frozen=True)
class Kill:
    """Seconds of the loop's clock. back: when it listened again."""

    node: str
    at: float
    back: float


@dataclass(frozen=True)
class Result:
    """outcomes: of the requests. elsewhere: the most seconds from a kill to the next first word of a session that it
    cut or that waited. herd: the most requests that a node which had come back was sent before its first word while
    others could be asked. first_second: in the second from the first of them on."""

    kills: int
    outcomes: Counter[str]
    elsewhere: float
    herd: int
    first_second: int

    @property
    def lost(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome not in ("whole", "cut"))


async def kill_nodes(nodes: Sequence[Killable], kills: int, sessions: int = SESSIONS) -> Result:
    """Raises TimeoutError when a session is not answered any more. The nodes run before and after."""
    backend = cluster_of([node.url for node in nodes], timeout_ms=5000, max_consecutive_failures=1)
    async with loaded(backend, sessions) as load:
        done = [await _kill_one(load, nodes, sessions) for _ in range(kills)]
    herds = [_visits_after(load, kill, done) for kill in done]
    return Result(
        kills=len(done),
        outcomes=load.outcomes(),
        elsewhere=load.worst_elsewhere([kill.at for kill in done]),
        herd=max(sum(at <= begun for at, begun in herd) for herd in herds),
        first_second=max(sum(at <= herd[0][0] + 1 for at, _ in herd) if herd else 0 for herd in herds),
    )


async def _kill_one(load: Load, nodes: Sequence[Killable], sessions: int) -> Kill:
    """That which answers just now."""
    visits = len(load.visits)
    await load.until(lambda: any(visit.begun for visit in load.visits[visits:]))
    target = next(visit.node for visit in reversed(load.visits) if visit.begun)
    node = nodes[int(target.removeprefix("n"))]
    at = asyncio.get_running_loop().time()
    await asyncio.to_thread(node.kill)
    await load.until(lambda: _answered_since(load, at) >= sessions)
    await asyncio.to_thread(node.start)
    return Kill(target, at, asyncio.get_running_loop().time())


def _answered_since(load: Load, at: float) -> int:
    """Sessions of which a request that began after it was answered whole."""
    return len({one.session for one in load.asked if one.at > at and one.outcome == "whole"})


def _visits_after(load: Load, kill: Kill, kills: Sequence[Kill]) -> list[tuple[float, float]]:
    """When each request was sent to a node that had come back, and when its first word came after that."""
    end = min((other.at for other in kills if other.node == kill.node and other.at > kill.at), default=float("inf"))
    visits = [visit for visit in load.visits if visit.node == kill.node and kill.back < visit.at < end]
    begun = min((visit.begun for visit in visits if visit.begun), default=float("inf"))
    away = [(other.at, other.back) for other in kills if other.node != kill.node]
    return [
        (visit.at, begun)
        for visit in visits
        if not visit.alone and not any(at <= visit.at <= back for at, back in away)
    ]


class Haltable(Killable, Protocol):
    """A node that can also be made to hang."""

    def halt(self) -> None: ...
    def go_on(self) -> None: ...


async def halt_one(nodes: Sequence[Haltable], sessions: int = SESSIONS) -> tuple[float, Counter[str]]:
    """Seconds that the slowest request took to its first word which was sent while a node hung, and all outcomes. The
    node goes on afterwards, and every session is answered again."""
    backend = cluster_of([node.url for node in nodes], timeout_ms=1000)
    async with loaded(backend, sessions) as load:
        await load.until(lambda: any(visit.begun for visit in load.visits))
        target = next(visit.node for visit in load.visits if visit.begun)
        node, member = nodes[int(target.removeprefix("n"))], backend._members.get(target)
        assert member is not None
        at = asyncio.get_running_loop().time()
        node.halt()
        try:
            await load.until(lambda: not member.health.up)
            waited = [one for one in load.asked if one.at >= at and one.ended is None]
            await load.until(lambda: all(one.first_word or one.ended for one in waited))
        finally:
            node.go_on()
        words = [(one.first_word, one.at) for one in load.asked if one.first_word and one.first_word > at]
        slowest = max((word - max(asked, at) for word, asked in words), default=0.0)
        went_on = asyncio.get_running_loop().time()
        await load.until(lambda: _answered_since(load, went_on) >= sessions)
        return slowest, load.outcomes()


async def all_down(nodes: Sequence[Killable]) -> tuple[float, str, float]:
    """Seconds until it was told that nobody is there, what was told, and seconds from the return of one node to an
    answer. One node runs afterwards."""
    backend = cluster_of([node.url for node in nodes], timeout_ms=5000)
    async with loaded(backend, 0) as load:
        for node in nodes:
            await asyncio.to_thread(node.kill)
        told = await load.ask(0)
        await asyncio.to_thread(nodes[0].start)
        back = asyncio.get_running_loop().time()
        while (answered := await load.ask(0)).outcome != "whole":
            pass
        return (told.ended or 0.0) - told.at, told.outcome, (answered.first_word or 0.0) - back


async def flap(load: Load, node: Killable, times: int, answers: int) -> None:
    """Down and up again, each for as long as it takes the others to answer so many requests."""
    for _ in range(times):
        await asyncio.to_thread(node.kill)
        await _more(load, answers)
        await asyncio.to_thread(node.start)
        await _more(load, answers)


async def _more(load: Load, answers: int) -> None:
    reached = load.outcomes().total() + answers
    await load.until(lambda: load.outcomes().total() >= reached)
