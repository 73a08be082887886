"""Every attack of the tables is refused as expected, nothing behind the server hears of it, and no log repeats it."""

import hmac
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.server.serve import serving
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.settings import Settings
from tests.integration.attacks import on_proxy, on_worker
from tests.integration.attacks.request import Attack, Reply, Server, http, is_refused, sent_to
from tests.support.worker import serving as serving_worker

TOKEN = "w5Qd0l2pV7-token-of-this-launch-Zk83"
ON_PROXY = on_proxy.on_proxy()
ON_WORKER = on_worker.on_worker()

Ports = dict[Server, int]


@pytest.fixture(scope="module")
def workers() -> Iterator[Ports]:
    with ExitStack() as stack:
        bare = stack.enter_context(serving_worker(FakeEngine()))
        guarded = stack.enter_context(serving_worker(FakeEngine(), Settings(token=SecretStr(TOKEN))))
        yield {"worker": urlsplit(bare).port or 0, "guarded worker": urlsplit(guarded).port or 0}


async def attack_proxy(attack: Attack) -> tuple[Reply, ScriptedBackend]:
    backend = ScriptedBackend()
    async with serving(backend, TOKEN, drain=0) as address:
        return await sent_to(address.port, TOKEN, attack), backend


def check_quiet(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    """No traceback, no token, nothing that steers a terminal, and nothing that lets a page read the answer."""
    assert not [record for record in caplog.records if record.exc_info]
    assert TOKEN not in caplog.text
    assert TOKEN.encode() not in reply.raw
    assert "\x1b" not in caplog.text
    assert b"access-control" not in reply.raw.lower()
    assert b"Traceback" not in reply.raw


@pytest.mark.parametrize("attack", ON_PROXY, ids=str)
async def test_on_the_proxy(attack: Attack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reply, backend = await attack_proxy(attack)
    assert is_refused(attack, reply), (reply.statuses, reply.raw[:500])
    assert backend.requests == []
    assert reply.cut or b'{"type":"error"' in reply.raw or attack.sent.startswith(b"HEAD")
    check_quiet(reply, caplog)


@pytest.mark.parametrize("attack", ON_WORKER, ids=str)
async def test_on_the_worker(attack: Attack, workers: Ports, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reply = await sent_to(workers[attack.at], TOKEN, attack)
    assert is_refused(attack, reply), (reply.statuses, reply.raw[:500])
    check_quiet(reply, caplog)


def test_there_are_enough_and_each_is_another() -> None:
    attacks = [*ON_PROXY, *ON_WORKER]
    assert len(attacks) >= 80
    assert (
        len({str(attack) for attack in attacks})
        == len({attack.sent + attack.at.encode() for attack in attacks})
        == len(attacks)
    )


async def test_the_same_requests_without_the_attack_are_answered(workers: Ports) -> None:
    """So that what was refused was refused for what was wrong with it."""
    right = Attack("-", "none", "proxy", http("POST", "/v1/messages", on_proxy.GOOD, on_proxy.BODY), ())
    reply, backend = await attack_proxy(right)
    assert (reply.statuses, len(backend.requests)) == ([200], 1)
    credential = on_worker.GOOD | {"Authorization": "Bearer TOKEN"}
    for at in workers:
        asked = Attack("-", "none", at, http("POST", "/v1/chat/completions", credential, on_worker.BODY), ())
        assert (await sent_to(workers[at], TOKEN, asked)).statuses == [200]


@pytest.mark.parametrize("at", ["proxy", "guarded worker"])
@pytest.mark.parametrize("says", [True, False])
async def test_what_compares_tokens_is_made_for_secrets(
    at: Server, says: bool, workers: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hmac.compare_digest` alone decides: whatever it says counts, for the right token and for any other."""
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return says

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    for credential in ("Bearer TOKEN", "Bearer SPOILT", "Bearer x"):
        compared.clear()
        path = "/v1/models"
        asked = Attack("S4", "", at, http("GET", path, on_proxy.HOST | {"Authorization": credential}, length=False), ())
        reply = (await attack_proxy(asked))[0] if at == "proxy" else await sent_to(workers[at], TOKEN, asked)
        assert reply.statuses == [200 if says else 401]
        assert compared
        assert all(len(one) == len(other) for one, other in compared), "its time would tell how long the token is"


@pytest.mark.parametrize("place", ["Authorization", "x-api-key", "x-anyclaude-token"])
async def test_each_place_of_a_token_is_compared_whatever_the_others_hold(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the time does not tell where the right one stands."""
    calls: list[int] = []
    real = hmac.compare_digest

    def compare_digest(one: bytes, other: bytes) -> bool:
        calls.append(1)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    value = "Bearer TOKEN" if place == "Authorization" else "TOKEN"
    asked = Attack("S4", "", "proxy", http("GET", "/health", on_proxy.HOST | {place: value}, length=False), ())
    reply, _ = await attack_proxy(asked)
    assert (reply.statuses, len(calls)) == ([200], 3)
