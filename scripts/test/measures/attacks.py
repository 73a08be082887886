"""R15: every attack request of the tables, again and again: python scripts/test/measures/attacks.py [--scale F]

At scale 1 each is sent 20 times, to a proxy and workers of this process; below a twentieth, once some of them.
"""

import asyncio
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

from measuring import scale, tell
from pydantic import SecretStr
from tests.integration.attacks.on_proxy import on_proxy
from tests.integration.attacks.on_worker import on_worker
from tests.integration.attacks.request import Attack, Server, is_refused, sent_to
from tests.support.worker import serving as serving_worker

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.server.serve import serving
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.settings import Settings

ROUNDS = 20
WANTED = 80
TOKEN = "w5Qd0l2pV7-token-of-this-launch-Zk83"


async def main(part: float) -> None:
    rounds = max(1, round(ROUNDS * part))
    attacks = [*on_proxy(), *on_worker()][:: max(1, round(1 / (ROUNDS * part)))]
    backend, wrong = ScriptedBackend(), list[str]()
    with ExitStack() as workers:
        bare = workers.enter_context(serving_worker(FakeEngine()))
        guarded = workers.enter_context(serving_worker(FakeEngine(), Settings(token=SecretStr(TOKEN))))
        async with serving(backend, TOKEN, drain=0) as address:
            ports: dict[Server, int] = {
                "proxy": address.port,
                "worker": urlsplit(bare).port or 0,
                "guarded worker": urlsplit(guarded).port or 0,
            }
            for number in range(rounds):
                wrong += [fault for attack in attacks if (fault := await _fault(attack, ports))]
                print(f"round {number + 1} of {rounds}: {len(wrong)} not refused", file=sys.stderr)
    enough = part < 1 or len(attacks) >= WANTED
    tell({"R15": _figure(attacks, rounds, wrong, len(backend.requests), enough)})


async def _fault(attack: Attack, ports: dict[Server, int]) -> str | None:
    try:
        reply = await sent_to(ports[attack.at], TOKEN, attack)
    except TimeoutError:
        return f"{attack} got no answer"
    return None if is_refused(attack, reply) else f"{attack} got {reply.statuses}"


def _figure(attacks: list[Attack], rounds: int, wrong: list[str], reached: int, enough: bool) -> dict[str, object]:
    total = len(attacks) * rounds
    rules = len({attack.rule for attack in attacks})
    measured = (
        f"{len(attacks)} requests against {rules} rules, {total:,} sent, {total - len(wrong):,} refused as expected, "
        f"{reached} reached a model"
    )
    figure: dict[str, object] = {"measured": measured, "met": not wrong and not reached and enough}
    return figure | ({"note": "; ".join(sorted(set(wrong))[:3])} if wrong else {})


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
