"""`mlx-cluster.json`: what it sets, whose it is, how far it is believed, and one sentence for each fault."""

import json
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from anyclaude.cli.main import main
from anyclaude.config.load import Resolved, resolve
from anyclaude.config.model import Settings
from anyclaude.config.trust import trust
from anyclaude.config.upstreams import Discovery, Health, KnownPrefixes, MlxCluster, Node, Routing
from tests.support.broken_configs import CLUSTER, Broken

SEEDS_EXAMPLE: dict[str, dict[str, object]] = {
    "discovery": {
        "mode": "static",
        "nodes": [
            {"id": "worker-1", "url": "http://gpu1:8081"},
            {"id": "worker-2", "url": "http://gpu2:8081"},
            {"id": "worker-3", "url": "http://gpu3:8081"},
        ],
    },
    "routing": {"strategy": "cache-aware", "maxRetries": 2, "retryDelayMs": 100},
    "health": {
        "checkIntervalMs": 30000,
        "timeoutMs": 5000,
        "maxConsecutiveFailures": 3,
        "unhealthyThreshold": 0.5,
    },
    "cache": {"maxCacheAgeSec": 3600, "maxCacheSizeTokens": 1000000, "minCacheHitRate": 0.7},
}
EVIL = {"discovery": {"nodes": [{"id": "e", "url": "http://evil"}]}, "routing": {"strategy": "round-robin"}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, an empty working directory beside it, and no variable of ours."""
    (tmp_path / "project").mkdir()
    (tmp_path / "home" / ".anyclaude").mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith(("ANYCLAUDE_", "MLX_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "home"


def _resolve(home: Path, environ: dict[str, str] | None = None) -> Resolved:
    return resolve({}, environ or {}, Path.cwd(), home)


def _own(home: Path, tree: object) -> Path:
    path = home / ".anyclaude" / "mlx-cluster.json"
    path.write_text(json.dumps(tree))
    return path


def test_the_seeds_example_as_it_stands(home: Path) -> None:
    _own(home, SEEDS_EXAMPLE)
    nodes = tuple(Node(id=f"worker-{n}", url=f"http://gpu{n}:8081") for n in (1, 2, 3))
    resolved = _resolve(home)
    assert resolved.settings.backends.mlx_cluster == MlxCluster(discovery=Discovery(nodes=nodes))
    assert resolved.notices == ()
    assert {origin for path, origin in resolved.origins.items() if ".discovery.nodes" in path} == {
        "~/.anyclaude/mlx-cluster.json: discovery.nodes"
    }
    assert resolved.origins["backends.mlx_cluster.cache.min_cache_hit_rate"].endswith(": cache.minCacheHitRate")


def test_every_value_of_a_file_counts(home: Path) -> None:
    _own(
        home,
        {
            "$schema": "x",
            "discovery": {"mode": "mdns", "key": "a long enough key", "nodes": []},
            "routing": {"strategy": "latency-based", "maxRetries": 0, "retryDelayMs": 7},
            "health": {"checkIntervalMs": 100, "timeoutMs": 10, "maxConsecutiveFailures": 1, "unhealthyThreshold": 1},
            "cache": {"maxCacheAgeSec": 1, "maxCacheSizeTokens": 2, "minCacheHitRate": 0},
        },
    )
    cluster = _resolve(home).settings.backends.mlx_cluster
    assert (cluster.discovery.found_by, cluster.is_empty) == ("mdns", False)
    assert cluster.routing == Routing(strategy="latency-based", max_retries=0, retry_delay_ms=7)
    assert cluster.health == Health(
        check_interval_ms=100, timeout_ms=10, max_consecutive_failures=1, unhealthy_threshold=1.0
    )
    assert cluster.cache == KnownPrefixes(max_cache_age_sec=1, max_cache_size_tokens=2, min_cache_hit_rate=0.0)


def test_who_wins_variables_project_own(home: Path) -> None:
    (home / ".anyclauderc.json").write_text(
        '{"backends": {"mlx-cluster": {"routing": {"strategy": "least-loaded", "maxRetries": 9}}}}'
    )
    _own(home, {"routing": {"strategy": "round-robin", "retryDelayMs": 1}, "health": {"timeoutMs": 11}})
    Path("mlx-cluster.json").write_text('{"routing": {"retryDelayMs": 2}, "health": {"timeoutMs": 12}}')
    resolved = _resolve(home, {"MLX_CLUSTER_STRATEGY": "latency-based", "MLX_CLUSTER_HEALTH_INTERVAL": "1500"})
    cluster = resolved.settings.backends.mlx_cluster
    assert cluster.routing == Routing(strategy="latency-based", max_retries=9, retry_delay_ms=2)
    assert (cluster.health.timeout_ms, cluster.health.check_interval_ms) == (12, 1500)
    origins = {path.rpartition(".")[2]: origin for path, origin in resolved.origins.items() if "mlx_cluster." in path}
    assert origins["strategy"] == "MLX_CLUSTER_STRATEGY"
    assert origins["max_retries"] == "~/.anyclauderc.json: backends.mlx-cluster.routing.maxRetries"
    assert origins["retry_delay_ms"] == "mlx-cluster.json: routing.retryDelayMs"
    assert _resolve(home).origins["backends.mlx_cluster.routing.strategy"] == (
        "~/.anyclaude/mlx-cluster.json: routing.strategy"
    )


def test_variables_name_nodes_the_way_to_find_them_and_the_key(home: Path) -> None:
    _own(home, SEEDS_EXAMPLE)
    environ = {
        "MLX_CLUSTER_NODES": '[{"id":"primary","url":"http://gpu1:8082/v1"}]',
        "MLX_CLUSTER_DISCOVERY": "dns",
        "MLX_CLUSTER_KEY": "the key of the cluster",
    }
    cluster = _resolve(home, environ).settings.backends.mlx_cluster
    assert cluster.nodes == (Node(id="primary", url="http://gpu1:8082/v1"),)
    assert cluster.discovery.found_by == "dns"
    assert cluster.discovery.key is not None


def test_a_projects_nodes_count_only_when_trusted(home: Path) -> None:
    path = Path("mlx-cluster.json").absolute()
    path.write_text(json.dumps(EVIL))
    resolved = _resolve(home)
    assert resolved.settings.backends.mlx_cluster == MlxCluster(routing=Routing(strategy="round-robin"))
    assert resolved.notices == (
        f"{path} sets discovery.nodes, which is left out because this directory is not trusted; "
        "look at the file, then run `anyclaude --trust`",
    )
    assert trust(Path.cwd(), home) == f"{path} is trusted as it is now; it sets discovery.nodes"
    assert [node.id for node in _resolve(home).settings.backends.mlx_cluster.nodes] == ["e"]
    path.write_text(json.dumps({**EVIL, "health": {}}))
    assert "has changed since it was trusted" in _resolve(home).notices[0]


@pytest.mark.parametrize("tree", [{"discovery": {"mode": "mdns"}}, {"discovery": {"key": "a key of somebody else"}}])
def test_a_project_may_not_say_how_nodes_are_found(tree: object, home: Path) -> None:
    Path("mlx-cluster.json").write_text(json.dumps(tree))
    assert _resolve(home).settings == Settings()


def test_both_files_of_a_directory_are_trusted_at_once_and_each_by_itself(home: Path) -> None:
    Path("mlx-cluster.json").write_text(json.dumps(EVIL))
    Path(".anyclauderc.json").write_text('{"port": 1}')
    assert trust(Path.cwd(), home).count("is trusted as it is now") == 2
    assert _resolve(home).notices == ()
    Path(".anyclauderc.json").write_text('{"port": 2}')
    resolved = _resolve(home)
    assert (resolved.settings.port, len(resolved.settings.backends.mlx_cluster.nodes)) == (0, 1)


def test_a_link_is_never_trusted(home: Path, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps(EVIL))
    Path("mlx-cluster.json").symlink_to(tmp_path / "other.json")
    notice = _resolve(home).notices[0]
    assert "because the file is a link; what you want of it belongs in ~/.anyclaude/mlx-cluster.json" in notice


def test_where_the_own_file_lies_it_is_no_projects(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _own(home, EVIL)
    monkeypatch.chdir(home / ".anyclaude")
    resolved = _resolve(home)
    assert (len(resolved.settings.backends.mlx_cluster.nodes), resolved.notices) == (1, ())


def test_a_cluster_without_nodes_is_empty_unless_they_are_looked_for() -> None:
    assert MlxCluster().is_empty
    assert not MlxCluster(discovery=Discovery(found_by="mdns")).is_empty
    one = Node(id="one", url="http://one")
    assert not MlxCluster(discovery=Discovery(nodes=(one,))).is_empty
    assert MlxCluster(discovery=Discovery(found_by="mdns")).of(one).discovery == Discovery(nodes=(one,))


@pytest.mark.parametrize("broken", CLUSTER)
@pytest.mark.parametrize("own", [True, False])
def test_a_broken_file_is_one_sentence(
    broken: Broken, own: bool, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / ".anyclaude" / "mlx-cluster.json" if own else Path("mlx-cluster.json")
    path.write_text(broken.text)
    assert main(["--show-config"]) == 2
    told = capsys.readouterr().err
    assert broken.fault_of(told, f"{'~/.anyclaude/' if own else ''}mlx-cluster.json") is None


def test_what_is_no_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mlx-cluster.json").mkdir()
    assert main(["--show-config"]) == 2
    assert "mlx-cluster.json is a directory" in capsys.readouterr().err


def test_show_config_has_every_key_and_no_secret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = {
        **SEEDS_EXAMPLE,
        "discovery": {"key": "hunter2 hunter2 hunter2", "nodes": [{"id": "a", "url": "http://a", "token": "hunter2"}]},
    }
    _own(home, tree)
    assert main(["--show-config"]) == 0
    shown = capsys.readouterr().out
    assert "hunter2" not in shown
    rows = {line.split()[0] for line in shown.splitlines()}
    named = {f"backends.mlx-cluster.{part}.{key}" for part, keys in SEEDS_EXAMPLE.items() for key in keys}
    assert named | {"backends.mlx-cluster.discovery.key"} <= rows


def test_show_config_names_a_node_by_the_keys_of_a_node(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = {"id": "a", "url": "http://a"}
    _own(home, {"discovery": {"nodes": [node]}})
    assert main(["--show-config"]) == 0
    assert json.dumps(node) in capsys.readouterr().out


@pytest.mark.parametrize("token", ["schlüssel-der-macs", "line\nbreak-of-a-key"])
def test_a_token_that_no_header_can_carry(token: str) -> None:
    with pytest.raises(ValueError, match="must be letters, digits and signs of ASCII"):
        Node(id="a", url="http://gpu1:8081", token=SecretStr(token))
    with pytest.raises(ValueError, match="must be letters, digits and signs of ASCII"):
        Discovery(key=SecretStr(token))
