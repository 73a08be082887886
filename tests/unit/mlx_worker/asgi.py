"""The application over ASGI, around an engine that plays scripts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from mlx_worker.app import build_app
from mlx_worker.blas import Blas
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.settings import Settings

HI = {"messages": [{"role": "user", "content": "hi there"}]}
FAST = Blas("test BLAS", fast=True)


@asynccontextmanager
async def client_of(
    engine: FakeEngine, base_url: str = "http://127.0.0.1:8081", blas: Blas = FAST, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    engine.start()
    app = build_app(engine, Settings(**settings), blas)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base_url, trust_env=False) as client:
        yield client


async def asked(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", json=HI | fields)
