"""A node that comes back while many ask: one request goes there first, and others once that has begun."""

import asyncio

from anyclaude.backends.base import Caller
from anyclaude.wire.events import Finished
from tests.support.played_nodes import SECONDS, Played, Player, fleet_of, says_one_word
from tests.support.raw_upstream import Connection

COMPLETIONS = "/v1/chat/completions"
MANY = 20


async def ask(fleet: Played, session: str) -> None:
    request = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    async with asyncio.timeout(SECONDS), fleet.backend.stream(request, Caller(session)) as batches:
        events = [event async for batch in batches for event in batch]
    assert isinstance(events[-1], Finished)


async def away_and_back(fleet: Played, player: Player) -> None:
    player.hangs, player.patience = ("/health",), 0.1
    await player.again("/health", 6)
    member = next(iter(fleet.backend._members))
    assert not member.health.up
    player.hangs, player.patience = (), 15.0
    await player.again("/cache", 4)
    assert member.health.up


async def test_who_comes_back_gets_one_request_until_it_has_begun() -> None:
    let_go = asyncio.Event()

    async def held(connection: Connection) -> None:
        await let_go.wait()
        await says_one_word(connection)

    back, well = Player(), Player()
    async with fleet_of(back, well) as fleet:
        await fleet.backend._fleet.ready()
        await away_and_back(fleet, back)
        back.words = held
        asking = [asyncio.create_task(ask(fleet, f"session {number}")) for number in range(MANY)]
        await well.until(COMPLETIONS, MANY - 1)
        assert back.asked.count(COMPLETIONS) == 1
        let_go.set()
        await asyncio.gather(*asking)
        await asyncio.gather(*(ask(fleet, f"later {number}") for number in range(MANY)))
        assert back.asked.count(COMPLETIONS) > 2
