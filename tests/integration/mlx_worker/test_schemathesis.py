"""The worker against its own OpenAPI description: what fits it and what does not, made up by schemathesis.

Nearly all of the time goes into making requests up, a tenth to three tenths of a second for one with a conversation
in it; the worker answers within milliseconds. So the numbers of examples are small, and a failure is shown as it was
found, for to shrink it would take minutes. The examples are the same in every run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from mlx_worker.errors import WorkerError
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.settings import Settings
from tests.support.worker import serving

TOKEN = "a-token-that-is-long-enough-for-proofs"
FITTING = {
    "GET /cache": 1,
    "GET /health": 1,
    "GET /metrics": 1,
    "GET /v1/models": 1,
    "GET /v1/models/{name}": 10,
    "POST /cache/warm": 6,
    "POST /cluster/proof": 10,
    "POST /tokenize": 6,
    "POST /v1/chat/completions": 16,
    "DELETE /cache": 1,
}
UNFIT = {"POST /cache/warm": 6, "POST /cluster/proof": 10, "POST /tokenize": 6, "POST /v1/chat/completions": 12}
"""Of the others every request fits: they have no body and no parameters, or take any name."""

load_all_checks()
DESCRIBED = [
    CHECKS.get_one(f"{part}_conformance")
    for part in ("status_code", "content_type", "response_headers", "response_schema")
]
SOUND = [CHECKS.get_one("not_a_server_error"), *DESCRIBED]


@dataclass(frozen=True)
class Asked:
    """A worker that is asked over one connection, and its description."""

    url: str
    engine: FakeEngine
    session: requests.Session
    description: Any

    def try_out(self, operation: str, mode: GenerationMode, examples: int, checks: list[Any]) -> set[int]:
        """The statuses that came back. Raises FailureGroup with what breaks the description."""
        (tried,) = (one.ok() for one in self.description.get_all_operations() if one.ok().label == operation)
        statuses = set()

        @hypothesis.settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=tried.as_strategy(generation_mode=mode))
        def answered(case: Any) -> None:
            answer = case.call_and_validate(self.url, self.session, checks=checks)
            statuses.add(answer.status_code)

        answered()
        return statuses


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    engine = FakeEngine()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with serving(engine, Settings(token=SecretStr(TOKEN))) as url, requests.Session() as session:
        session.trust_env = False
        session.headers.update(headers)
        described = httpx.get(f"{url}/openapi.json", headers=headers, trust_env=False).json()
        yield Asked(url, engine, session, schemathesis.openapi.from_dict(described))


def test_every_endpoint_is_tried(asked: Asked) -> None:
    assert {one.ok().label for one in asked.description.get_all_operations()} == set(FITTING)


@pytest.mark.parametrize("operation", FITTING)
def test_what_fits_is_answered_as_described(asked: Asked, operation: str) -> None:
    assert asked.try_out(operation, GenerationMode.POSITIVE, FITTING[operation], SOUND)


@pytest.mark.parametrize("operation", UNFIT)
def test_what_does_not_fit_is_refused_as_described(asked: Asked, operation: str) -> None:
    assert min(asked.try_out(operation, GenerationMode.NEGATIVE, UNFIT[operation], SOUND)) >= 400


def test_what_is_not_described_is_found(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    class Teapot(WorkerError):
        status = 418

    monkeypatch.setattr(asked.engine, "refusal", Teapot("short and stout"))
    with pytest.raises(FailureGroup, match="418"):
        asked.try_out("POST /tokenize", GenerationMode.POSITIVE, 1, DESCRIBED)
