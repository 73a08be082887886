"""What Prometheus collects, and the OpenAPI description with its page."""

import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from mlx_worker.engine import Drafted, EngineStatus, Memory
from mlx_worker.events import Finished, Progress, TextPiece
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.prefix_cache import CacheFigures
from mlx_worker.replies import CompletionReply, CountReply, ErrorReply, HealthReply, ModelsReply
from tests.unit.mlx_worker.asgi import HI, asked, client_of


def samples_of(text: str) -> dict[str, float]:
    """Sample values by name and labels."""
    return {
        sample.name + "".join(f"{{{key}={value}}}" for key, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_figures() -> None:
    engine = FakeEngine([Progress(3, 4, 2), TextPiece("a"), Finished("stop", 3)])
    engine.current = EngineStatus(
        "loading",
        active=2,
        waiting=1,
        prefill_tps=12.5,
        finished=7,
        cancelled=1,
        cache=CacheFigures(2, 645, 1000, 22, 70, 100, 3),
        memory=Memory(1, 2, 3, 4, 5),
        draft=Drafted(30, 20),
    )
    async with client_of(engine) as client:
        await asked(client)
        await asked(client, temperature=9)
        await client.get("/no/such/path")
        answer = await client.get("/metrics")
        draft = (await client.get("/health")).json()["draft"]
    assert draft == {"proposed": 30, "taken": 20}
    assert answer.headers["content-type"].startswith("text/plain")
    told = samples_of(answer.text)
    assert told["mlx_worker_requests_active"] == 2
    assert told["mlx_worker_requests_total{outcome=finished}"] == 7
    assert told["mlx_worker_state{mlx_worker_state=ready}"] == 1
    assert told["mlx_worker_state{mlx_worker_state=dead}"] == 0
    assert told["mlx_worker_memory_bytes{kind=limit}"] == 4
    assert told["mlx_worker_cached_prompt_tokens_total"] == 70
    assert told["mlx_worker_prefill_tokens_per_second"] == 12.5
    assert told["mlx_worker_draft_proposed_tokens_total"] == 30
    assert told["mlx_worker_draft_taken_tokens_total"] == 20
    assert "mlx_worker_decode_tokens_per_second" not in told
    assert told["mlx_worker_generated_tokens_total"] == 3
    assert told["mlx_worker_first_token_seconds_count"] == told["mlx_worker_answer_seconds_count"] == 1
    assert told["mlx_worker_http_responses_total{path=/v1/chat/completions}{status=400}"] == 1
    assert told["mlx_worker_http_responses_total{path=other}{status=404}"] == 1
    assert not any(name.startswith(("process_", "python_")) for name in told)


async def test_health_says_how_soon_the_last_answers_began() -> None:
    engine = FakeEngine([Progress(3, 4, 2), TextPiece("a"), Finished("stop", 3)])
    async with client_of(engine) as client:
        before = (await client.get("/health")).json()["first_token"]
        await asked(client)
        after = (await client.get("/health")).json()["first_token"]
    assert before == {"count": 0, "mean": None, "p95": None}
    assert after["count"] == 1
    assert 0 <= after["mean"] == after["p95"] < 60


async def test_every_answer_is_of_its_described_shape() -> None:
    async with client_of(FakeEngine()) as client:
        CompletionReply.model_validate((await asked(client)).json())
        ErrorReply.model_validate((await asked(client, n=2)).json())
        ModelsReply.model_validate((await client.get("/v1/models")).json())
        CountReply.model_validate((await client.post("/tokenize", json=HI)).json())
        HealthReply.model_validate((await client.get("/health")).json())


async def test_the_description_is_whole() -> None:
    async with client_of(FakeEngine()) as client:
        whole = (await client.get("/openapi.json")).json()
    operations = {(path, method) for path, methods in whole["paths"].items() for method in methods}
    assert operations == {
        ("/v1/chat/completions", "post"),
        ("/v1/models", "get"),
        ("/v1/models/{name}", "get"),
        ("/health", "get"),
        ("/metrics", "get"),
        ("/cache", "get"),
        ("/cache", "delete"),
        ("/cache/warm", "post"),
        ("/cluster/proof", "post"),
        ("/tokenize", "post"),
    }
    schemas = whole["components"]["schemas"]
    assert {ref.rpartition("/")[2] for ref in references(whole)} <= set(schemas)
    assert "messages" in schemas["ChatRequest"]["properties"]
    for path, method in operations:
        assert set(whole["paths"][path][method]["responses"]) >= {"401", "403"}


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        here = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return here.union(*(references(member) for member in part.values()))
    return set().union(*(references(member) for member in part)) if isinstance(part, list) else set()


async def test_the_page_needs_nothing_from_the_net() -> None:
    async with client_of(FakeEngine()) as client:
        page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "POST /v1/chat/completions" in page.text
    assert "top_logprobs" in page.text
    assert not re.search(r"https?://|<script|src=|href=", page.text)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/cache"),
        ("DELETE", "/cache"),
        ("POST", "/cache/warm"),
        ("POST", "/tokenize"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/no/such/path"),
        ("GET", "/health/"),
        ("GET", "//health"),
    ],
)
async def test_every_endpoint_wants_the_token_on_loopback_too(method: str, path: str) -> None:
    async with client_of(engine := FakeEngine(), token=SecretStr("secret")) as client:
        answer = await client.request(method, path, json=HI if method == "POST" else None)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert engine.tickets == []
