"""Who may ask, and what is refused before an answer begins: the app over ASGI, with an engine that plays scripts."""

from typing import Any, NoReturn

import pytest
from pydantic import SecretStr

from mlx_worker.blas import Blas
from mlx_worker.errors import BadRequest, EngineFailure, NotReady, QueueFull, WorkerError
from mlx_worker.events import Failed, Progress
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.guards import is_loopback
from tests.unit.mlx_worker.asgi import HI, asked, client_of

# -- the guards ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost", "LOCALHOST:1", "[::1]:8081", "localhost."])
async def test_loopback_names_are_served(host: str) -> None:
    async with client_of(FakeEngine()) as client:
        assert (await client.get("/v1/models", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8081", ""])
async def test_other_names_are_refused(host: str) -> None:
    async with client_of(FakeEngine()) as client:
        answer = await client.get("/v1/models", headers={"Host": host})
        assert answer.status_code == 403
        assert "MLX_ALLOWED_HOSTS" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_web_pages_are_refused(headers: dict[str, str]) -> None:
    async with client_of(FakeEngine()) as client:
        assert (await client.post("/v1/chat/completions", json=HI, headers=headers)).status_code == 403


async def test_without_a_token_other_addresses_are_refused_however_it_is_bound() -> None:
    async with client_of(FakeEngine(), "http://192.168.1.5:8081", allowed_hosts=("192.168.1.5",)) as client:
        answer = await asked(client)
        assert answer.status_code == 403
        assert "MLX_WORKER_TOKEN" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}, {"Authorization": "Basic secret"}],
)
async def test_a_token_is_asked_of_everyone(headers: dict[str, str]) -> None:
    async with client_of(FakeEngine(), token=SecretStr("secret")) as client:
        answer = await client.post("/v1/chat/completions", json=HI, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "authentication_error"
        assert "secret" not in answer.text


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer secret"}, {"x-api-key": "secret"}])
async def test_with_the_token_other_addresses_are_served(headers: dict[str, str]) -> None:
    async with client_of(FakeEngine(), "http://studio.local:8081", token=SecretStr("secret")) as client:
        assert (await client.get("/v1/models", headers=headers)).status_code == 200


async def test_health_without_the_token_says_no_more_than_its_status() -> None:
    async with client_of(FakeEngine(), token=SecretStr("secret")) as client:
        assert (await client.get("/health")).json() == {"status": "healthy", "state": "ready"}
        full = await client.get("/health", headers={"Authorization": "Bearer secret"})
        assert full.json()["model"] == "fake-model"


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        *((served, True) for served in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")),
        *((refused, False) for refused in ("0.0.0.0", "10.0.0.1", "::ffff:10.0.0.1", "localhost", "")),
    ],
)
def test_loopback_addresses(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fields", "status"),
    [({"model": "claude-x"}, 404), ({"model": "../../etc"}, 404), ({"temperature": 9}, 400), ({"messages": []}, 400)],
)
async def test_a_refusal_is_a_real_status_also_for_a_stream(fields: dict[str, Any], status: int, stream: bool) -> None:
    async with client_of(engine := FakeEngine()) as client:
        answer = await asked(client, stream=stream, **fields)
        assert answer.status_code == status
        assert set(answer.json()["error"]) >= {"message", "type", "code"}
        assert engine.tickets == []


async def test_a_prompt_over_the_context_is_refused_with_both_numbers() -> None:
    async with client_of(FakeEngine(context_length=2)) as client:
        answer = await asked(client, stream=True)
        assert answer.status_code == 400
        assert answer.json() == {
            "error": {
                "message": "request (2 tokens) exceeds the available context size (2 tokens)",
                "type": "exceed_context_size_error",
                "param": "messages",
                "code": "context_length_exceeded",
                "http_status": 400,
                "n_prompt_tokens": 2,
                "n_ctx": 2,
            }
        }


@pytest.mark.parametrize(("asked_for", "given"), [(None, 98), (5, 5), (1000, 98)])
async def test_max_tokens_are_clamped_to_the_room_left(asked_for: int | None, given: int) -> None:
    async with client_of(engine := FakeEngine(context_length=100)) as client:
        await asked(client, max_tokens=asked_for)
        assert engine.tickets[0].generation.max_tokens == given


@pytest.mark.parametrize("name", [None, "", "current-model", "fake-model"])
async def test_the_names_of_the_loaded_model(name: str | None) -> None:
    async with client_of(FakeEngine()) as client:
        assert (await asked(client, model=name)).json()["model"] == "fake-model"


@pytest.mark.parametrize(
    ("refusal", "status", "retry"),
    [(QueueFull(3), 429, "2"), (NotReady("leaving"), 503, "2"), (NotReady("dead", retry_after=None), 503, None)],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_the_engines_refusals(refusal: Any, status: int, retry: str | None, stream: bool) -> None:
    engine = FakeEngine()
    engine.refusal = refusal
    async with client_of(engine) as client:
        answer = await asked(client, stream=stream)
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("error", "status"), [(EngineFailure("out of memory"), 500), (BadRequest("no such schema"), 400)]
)
async def test_a_failure_before_the_first_word_is_a_real_status(error: WorkerError, status: int, stream: bool) -> None:
    async with client_of(FakeEngine([Progress(1, 2, 0), Failed(error)])) as client:
        answer = await asked(client, stream=stream)
        assert (answer.status_code, answer.json()["error"]["message"]) == (status, error.message)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"messages": NaN}', "application/json", 400),
        (b'{"messages": "\\ud800"}', "application/json", 400),
        (b"\xff", "application/json; charset=utf-8", 400),
        (b"null", "application/json", 400),
    ],
)
async def test_bodies_that_are_no_request(body: bytes, kind: str, status: int) -> None:
    async with client_of(FakeEngine()) as client:
        headers = {"Content-Type": kind} if kind else {}
        answer = await client.post("/v1/chat/completions", content=body, headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


async def test_a_body_past_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_worker.intake.MAX_BODY", 100)
    async with client_of(FakeEngine()) as client:
        assert (await asked(client, junk="x" * 200)).status_code == 413


async def test_unknown_paths_and_methods_are_in_the_same_shape() -> None:
    async with client_of(FakeEngine()) as client:
        for answer, status in [(await client.get("/nope"), 404), (await client.get("/v1/chat/completions"), 405)]:
            assert answer.status_code == status
            assert answer.json()["error"]["http_status"] == status


@pytest.mark.parametrize(("path", "methods"), [("/cache", "DELETE, GET"), ("/cache/warm", "POST"), ("/docs", "GET")])
async def test_a_wrong_method_is_told_the_right_ones(path: str, methods: str) -> None:
    async with client_of(FakeEngine()) as client:
        answer = await client.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)


def break_down(*_: object) -> NoReturn:
    raise ZeroDivisionError


async def test_a_bug_of_ours_is_a_500_without_details() -> None:
    engine = FakeEngine()
    engine.prepare = break_down  # type: ignore[method-assign, assignment]
    async with client_of(engine) as client:
        answer = await asked(client)
        assert answer.status_code == 500
        assert "ZeroDivision" not in answer.text


# -- health -------------------------------------------------------------------------------------------------------


async def test_health_before_the_model_is_there() -> None:
    engine = FakeEngine()
    async with client_of(engine) as client:
        engine.current = FakeEngine().current
        engine.card = None
        answer = await client.get("/health")
        assert answer.status_code == 503
        assert (answer.json()["status"], answer.json()["state"]) == ("unhealthy", "loading")
        assert (await client.get("/v1/models")).json()["data"] == []
        assert (await asked(client)).status_code == 503


async def test_the_shape_of_health() -> None:
    async with client_of(FakeEngine(), blas=Blas("slow", fast=False, advice="install one")) as client:
        answer = await client.get("/health")
        report = answer.json()
        assert answer.status_code == 200
        assert (report["status"], report["state"], report["model"]) == ("degraded", "ready", "fake-model")
        assert report["blas"] == {"name": "slow", "fast": False, "advice": "install one"}
        assert report.keys() >= {"context_length", "active", "waiting", "heartbeat_age", "version", "instance"}
        assert set(report["health"]) == {"lastCheck", "consecutiveFailures", "avgResponseTime", "errorRate"}
        assert set(report["cache"]) >= {"tokens", "systemPromptHash", "lastUpdated"}
        assert set(report["metrics"]) == {"requestsInFlight", "totalRequests", "cacheHitRate", "avgLatency"}


async def test_models_say_what_a_launcher_needs() -> None:
    async with client_of(FakeEngine()) as client:
        assert (await client.get("/v1/models")).json()["data"] == [
            {
                "id": "fake-model",
                "object": "model",
                "created": 0,
                "owned_by": "mlx_worker",
                "context_length": 100,
                "supports_tools": True,
            }
        ]


@pytest.mark.parametrize(("name", "status"), [("fake-model", 200), ("current-model", 200), ("org/other", 404)])
async def test_one_model(name: str, status: int) -> None:
    async with client_of(FakeEngine()) as client:
        assert (await client.get(f"/v1/models/{name}")).status_code == status


async def test_openapi_describes_the_request() -> None:
    async with client_of(FakeEngine()) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        body = paths["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": "#/components/schemas/ChatRequest"}
