"""What was found and not named: candidates, which are nodes only as long as they prove that they know the key.

Each proves it before the first request, again each minute, and when somebody doubts it. One that gives a wrong answer
is out at once; one that does not answer gets some more tries, because a machine may be busy. Announcements are the
words of strangers, so what they say can add a candidate, but can take no node away that goes on proving itself.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from anyclaude.backends.proving import Prove
from anyclaude.cluster.discovery import MOST_FOUND, Found, Way, node_at
from anyclaude.cluster.proof import Unproved
from anyclaude.errors import AnyclaudeError

log = logging.getLogger(__name__)

_PROOFS_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. again: between two proofs of a node. wait: after a failed one, doubled each time up to `again`.

    least: between any two of one candidate. patience: failures to answer in a row that a node may have.
    """

    again: float = 60.0
    wait: float = 2.0
    least: float = 2.0
    patience: int = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is said to be. label: of its id. path, token: of the node it would be."""

    label: str
    addresses: tuple[str, ...]
    port: int
    way: Way
    path: str = ""
    token: SecretStr | None = None


@dataclass(eq=False, slots=True)
class _Candidate:
    """leaving: nobody says any more that it is there, so one failure is enough. doubted: let it prove itself now."""

    source: str
    place: Place
    found: Found | None = None
    failures: int = 0
    leaving: bool = False
    doubted: asyncio.Event = field(default_factory=asyncio.Event)


class Candidates:
    """`proved` is told all that a source has proved, whenever that changes. most: candidates of announcements.

    key: None where nothing is to be proved; then the first address of a place is believed.
    """

    def __init__(
        self,
        key: SecretStr | None,
        prove: Prove,
        pace: Pace,
        proved: Callable[[str, Sequence[Found]], None],
        most: int = MOST_FOUND,
    ) -> None:
        self._key = key
        self._prove = prove
        self._pace = pace
        self._proved = proved
        self._most = most
        self._there: dict[tuple[str, Place], asyncio.Task[None]] = {}
        self._candidates: dict[tuple[str, Place], _Candidate] = {}
        self._turns = asyncio.Semaphore(_PROOFS_AT_ONCE)

    def __len__(self) -> int:
        return len(self._candidates)

    def offer(self, source: str, place: Place, instance: str | None = None) -> None:
        """Somebody says that a worker is there. instance: which one, he says; another one than before is a doubt."""
        there = self._candidates.get((source, place))
        if there is None:
            self._take_up(source, place)
            return
        there.leaving = False
        if there.found is not None and instance not in (None, there.found.instance):
            there.doubted.set()

    def withdraw(self, source: str, place: Place | None = None) -> None:
        """Nobody says so any more, of that place or of all. What has proved itself may stay as long as it answers."""
        for (its, one), candidate in tuple(self._candidates.items()):
            if its != source or place not in (None, one):
                continue
            if candidate.found is None or self._key is None:
                self._drop(candidate)
            else:
                candidate.leaving = True
                candidate.doubted.set()

    def doubt(self, node_id: str) -> None:
        """Have that node prove itself now."""
        for candidate in self._candidates.values():
            if candidate.found is not None and candidate.found.node.id == node_id:
                candidate.doubted.set()

    async def aclose(self) -> None:
        ending = tuple(self._there.values())
        self._there.clear()
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _take_up(self, source: str, place: Place) -> None:
        if place.way == "announced" and not self._make_room():
            return
        candidate = _Candidate(source, place)
        self._candidates[source, place] = candidate
        self._there[source, place] = _task(self._keep(candidate))

    def _make_room(self) -> bool:
        """Of those that are announced, one that failed gives way to a new one."""
        announced = [one for one in self._candidates.values() if one.place.way == "announced"]
        if len(announced) < self._most:
            return True
        failed = next((one for one in announced if one.failures and one.found is None), None)
        if failed is not None:
            self._drop(failed)
        return failed is not None

    def _drop(self, candidate: _Candidate) -> None:
        """Also from within its own task, which ends then."""
        self._candidates.pop((candidate.source, candidate.place), None)
        task = self._there.pop((candidate.source, candidate.place), None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        self._settle(candidate, None)

    async def _keep(self, candidate: _Candidate) -> None:
        while True:
            try:
                await self._try(candidate)
            except Exception:  # nobody would ask it again for a proof, and it would stay a node without one
                log.exception("the proof of %s failed by a fault of ours", candidate.place.label)
                candidate.failures += 1
                self._settle(candidate, None)
            if candidate.leaving and candidate.failures:
                self._drop(candidate)
                return
            await asyncio.sleep(self._pace.least)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait(candidate.failures)):
                    await candidate.doubted.wait()

    def _wait(self, failures: int) -> float:
        pace = self._pace
        return min(pace.again, pace.wait * 2 ** min(failures - 1, 16)) if failures else pace.again

    async def _try(self, candidate: _Candidate) -> None:
        candidate.doubted.clear()
        place = candidate.place
        try:
            address, instance = await self._first_proved(place)
        except Unproved as error:
            candidate.failures += 1
            log.log(logging.WARNING if candidate.failures == 1 else logging.DEBUG, "not a node: %s", error)
            self._settle(candidate, None)
        except AnyclaudeError as error:
            candidate.failures += 1
            log.debug("no proof: %s", error.message)
            if candidate.failures >= self._pace.patience:
                self._settle(candidate, None)
        else:
            candidate.failures = 0
            node = node_at(place.label, address, place.port, place.token, place.path)
            self._settle(candidate, Found(node, place.way, instance))

    async def _first_proved(self, place: Place) -> tuple[str, str | None]:
        """An address that proves itself, and its instance. Raises what the last one came to."""
        if self._key is None:
            return place.addresses[0], None
        for address in place.addresses[:-1]:
            with suppress(Unproved, AnyclaudeError):
                return address, await self._proof_of(address, place.port, self._key)
        return place.addresses[-1], await self._proof_of(place.addresses[-1], place.port, self._key)

    async def _proof_of(self, address: str, port: int, key: SecretStr) -> str:
        async with self._turns:
            return await self._prove(address, port, key)

    def _settle(self, candidate: _Candidate, found: Found | None) -> None:
        if candidate.found == found:
            return
        candidate.found = found
        source = candidate.source
        same = [one for one in self._candidates.values() if one.source == source]
        self._proved(source, [one.found for one in same if one.found is not None])


def _task(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work, name="candidate of the cluster")
