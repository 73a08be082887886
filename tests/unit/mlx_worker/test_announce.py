"""Where a worker is announced, and what it must have for that."""

import asyncio
from types import SimpleNamespace

import ifaddr
import pytest
from zeroconf import Error as ZeroconfError

from mlx_worker.announce import announced, reachable
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.settings import Settings, SettingsError

LONG = "a secret of the household"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a loopback, two private networks, a public address and IPv6."""
    texts = ["127.0.0.1", "192.168.1.5", "8.8.8.8", "192.0.2.1", "100.64.0.1", "10.0.0.5"]
    ips = [SimpleNamespace(ip=text, is_IPv4=True) for text in texts]
    ips.append(SimpleNamespace(ip=("fe80::1", 0, 2), is_IPv4=False))
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [SimpleNamespace(ips=ips)])


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("0.0.0.0", ["192.168.1.5", "10.0.0.5"]),
        ("::", ["192.168.1.5", "10.0.0.5"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("localhost", ["127.0.0.1"]),
        ("192.168.1.5", ["192.168.1.5"]),
        ("8.8.8.8", []),
        ("fd00::1", []),
        ("mac1.local", []),
        ("", []),
    ],
)
@pytest.mark.usefixtures("machine")
def test_where_it_is_announced(host: str, addresses: list[str]) -> None:
    assert reachable(host) == addresses


@pytest.mark.parametrize("token", ["", "short", "fifteen letters"])
def test_a_worker_without_a_long_token_is_not_announced(token: str) -> None:
    with pytest.raises(SettingsError, match="MLX_ANNOUNCE is not usable: a worker that announces itself needs a MLX_W"):
        Settings.from_environment({"MLX_ANNOUNCE": "1", "MLX_WORKER_TOKEN": token})


def test_settings() -> None:
    assert Settings.from_environment({"MLX_ANNOUNCE": "1", "MLX_WORKER_TOKEN": LONG}).announce
    assert not Settings.from_environment({"MLX_WORKER_TOKEN": "short"}).announce
    with pytest.raises(SettingsError, match="MLX_ANNOUNCE is not usable"):
        Settings.from_environment({"MLX_ANNOUNCE": "maybe", "MLX_WORKER_TOKEN": LONG})


@pytest.mark.parametrize(
    "error", [OSError(19, "No such device"), RuntimeError("No interfaces"), ZeroconfError("taken")]
)
async def test_a_worker_that_cannot_be_announced_is_served_all_the_same(
    error: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**options: object) -> None:
        raise error

    monkeypatch.setattr("mlx_worker.announce.AsyncZeroconf", refused)
    settings = Settings.model_validate({"token": LONG, "announce": True})
    engine = FakeEngine()
    engine.start()
    async with announced(engine, settings), asyncio.timeout(10):
        while f"this worker is not announced: {error}" not in caplog.text:  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0)


@pytest.mark.parametrize("settings", [{"host": "8.8.8.8"}, {"port": 0}])
async def test_a_worker_that_nobody_nearby_reaches_is_not_announced(
    settings: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    async with announced(FakeEngine(), Settings.model_validate({"token": LONG, "announce": True, **settings})):
        await asyncio.sleep(0)
    assert "it has no address in a private network, or its port is not known" in caplog.text
