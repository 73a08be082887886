"""Where a worker is announced, and what it must have for that."""

from types import SimpleNamespace

import ifaddr
import pytest

from mlx_worker.announce import reachable
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
