"""POST /cluster/proof: who may ask, how often, and what is told."""

from itertools import count

import pytest

from anyclaude.cluster.proof import Challenge, Unproved
from anyclaude.wire.proof import key_of
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.routes.proof import AT_ONCE, Allowance
from tests.unit.mlx_worker.asgi import client_of

TOKEN = "a secret of the household"
AT = "http://10.0.0.5:8081"
NONCE = bytes(range(32))
PROOF = f"/cluster/proof?nonce={NONCE.hex()}"


async def test_it_proves_the_key_and_the_address_without_the_token() -> None:
    async with client_of(FakeEngine(), AT, token=TOKEN) as client:
        answer = await client.post(PROOF)
        assert (await client.get("/v1/models")).status_code == 401
    assert answer.status_code == 200
    assert TOKEN not in answer.text
    assert answer.json()["address"] == "10.0.0.5:8081"
    assert Challenge("10.0.0.5", 8081, NONCE).judge(key_of(TOKEN), answer.json()) == answer.json()["instance"]
    with pytest.raises(Unproved):
        Challenge("10.0.0.5", 8081, bytes(32)).judge(key_of(TOKEN), answer.json())


async def test_no_header_changes_the_address_that_is_proved() -> None:
    forged = {
        "host": "10.9.9.9:1",
        "x-forwarded-for": "10.9.9.9",
        "x-forwarded-host": "10.9.9.9",
        "forwarded": "host=x",
    }
    async with client_of(FakeEngine(), AT, token=TOKEN) as client:
        answer = await client.post(PROOF, headers=forged)
    assert answer.json()["address"] == "10.0.0.5:8081"


async def test_two_answers_differ() -> None:
    async with client_of(FakeEngine(), AT, token=TOKEN) as client:
        first, second = await client.post(PROOF), await client.post(PROOF)
    assert first.json()["proof"] != second.json()["proof"]


@pytest.mark.parametrize("query", ["", "?nonce=", "?nonce=00", f"?nonce={'g' * 64}", f"?nonce={'0' * 66}", "?n=1"])
async def test_a_nonce_of_another_form(query: str) -> None:
    async with client_of(FakeEngine(), AT, token=TOKEN) as client:
        answer = await client.post(f"/cluster/proof{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "nonce")


@pytest.mark.parametrize("token", [None, "short"])
async def test_a_key_that_could_be_guessed_is_not_proved(token: str | None) -> None:
    async with client_of(FakeEngine(), token=token) as client:
        answer = await client.post(PROOF)
    assert answer.status_code == 404
    assert "MLX_WORKER_TOKEN has fewer than 16 characters here" in answer.json()["error"]["message"]


async def test_behind_a_name_there_is_no_address_to_prove() -> None:
    async with client_of(FakeEngine(), "http://worker", token=TOKEN) as client:
        answer = await client.post(PROOF)
    assert answer.status_code == 404


async def test_no_web_page_may_ask() -> None:
    async with client_of(FakeEngine(), AT, token=TOKEN) as client:
        answer = await client.post(PROOF, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403


async def test_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_worker.routes.proof.A_SECOND", 0.0)
    async with client_of(FakeEngine(), AT, token=TOKEN) as client:
        codes = [(await client.post(PROOF)).status_code for _ in range(int(AT_ONCE) + 30)]
        refused = await client.post(PROOF)
    assert codes[: int(AT_ONCE)] == [200] * int(AT_ONCE)
    assert codes[-1] == 429
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


def test_an_allowance_fills_up_again_and_is_each_callers_own() -> None:
    now = [0.0]
    allowance = Allowance(lambda: now[0])
    assert sum(allowance.take("a") for _ in range(50)) == AT_ONCE
    assert allowance.take("b")
    now[0] = 1.0
    assert sum(allowance.take("a") for _ in range(50)) == 2
    now[0] = 1e6
    assert sum(allowance.take("a") for _ in range(50)) == AT_ONCE


def test_callers_that_are_remembered_are_bounded() -> None:
    allowance = Allowance(lambda: 0.0)
    for caller in range(10_000):
        allowance.take(str(caller))
    assert len(allowance._left) <= 256


def test_a_clock_that_stands_still_grants_no_more() -> None:
    ticks = count()
    allowance = Allowance(lambda: next(ticks) / 1e9)
    assert sum(allowance.take("a") for _ in range(1000)) == AT_ONCE
