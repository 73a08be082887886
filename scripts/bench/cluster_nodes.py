"""The nodes of the measured cluster: workers as processes of their own, watched for what they computed."""

import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from failure import BenchError
from worker_servers import OURS, Server, start

_PROMPT: Final = "mlx_worker_prompt_tokens_total"
_CACHED: Final = "mlx_worker_cached_prompt_tokens_total"
_FINISHED: Final = 'mlx_worker_requests_total{outcome="finished"}'
_SECONDS: Final = 60.0
_LOADING: Final = 300.0


@dataclass(frozen=True, slots=True)
class Work:
    """What all nodes did: requests that they finished, tokens of prompts, those from the cache, seconds of CPU."""

    requests: int = 0
    prompt: int = 0
    cached: int = 0
    cpu: float = 0.0

    def since(self, earlier: "Work") -> "Work":
        return Work(
            self.requests - earlier.requests,
            self.prompt - earlier.prompt,
            self.cached - earlier.cached,
            self.cpu - earlier.cpu,
        )


@dataclass(frozen=True, slots=True)
class Nodes:
    workers: Sequence[Server]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{worker.port}" for worker in self.workers]

    def work(self) -> Work:
        """Since the workers started."""
        counts = [_counts(worker) for worker in self.workers]
        finished, prompt, cached = (sum(each.get(name, 0) for each in counts) for name in (_FINISHED, _PROMPT, _CACHED))
        return Work(finished, prompt, cached, sum(worker.child.cpu_seconds() for worker in self.workers))

    def forget(self) -> None:
        """Empty their caches."""
        for worker in self.workers:
            _asked(worker, "DELETE", "/cache")


@contextmanager
def started(model: Path, count: int, threads: int, cache_mb: int = 0, kind: str = OURS) -> Iterator[Nodes]:
    """So many equal workers, each of which has answered once. Raises BenchError.

    threads: of each one's arithmetic; cache_mb: what each may keep, in 10^6 bytes; 0 of either: as much as it likes.
    """
    more = {"OPENBLAS_NUM_THREADS": str(threads)} if threads else {}
    if cache_mb:
        more["MLX_CACHE_BYTES"] = str(cache_mb * 10**6)
    with ExitStack() as stack:
        workers = [start(kind, model, stack, more) for _ in range(count)]
        for worker in workers:
            _await_model(worker)
        yield Nodes(workers)


def _await_model(worker: Server) -> None:
    until = time.monotonic() + _LOADING
    while json.loads(_asked(worker, "GET", "/health"))["state"] == "loading" and time.monotonic() < until:
        time.sleep(0.1)
    worker.ask([{"role": "user", "content": "Are you there?"}], max_tokens=2)


def _counts(worker: Server) -> Mapping[str, int]:
    lines = _asked(worker, "GET", "/metrics").decode().splitlines()
    found = (re.fullmatch(r"([^#\s]\S*) (\S+)", line) for line in lines)
    return {match[1]: int(float(match[2])) for match in found if match and match[1] in (_PROMPT, _CACHED, _FINISHED)}


def _asked(worker: Server, method: str, path: str) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", worker.port, timeout=_SECONDS)) as link:
        try:
            link.request(method, path)
            answer = link.getresponse()
            said = answer.read()
        except OSError as error:
            raise BenchError(f"a worker does not answer {path}: {error}") from error
    if answer.status >= 300:
        raise BenchError(f"a worker answers {answer.status} to {method} {path}")
    return said
