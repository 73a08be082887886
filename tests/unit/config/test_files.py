"""Settings files: what they set, who wins, and one sentence for everything that is wrong with one."""

import json
import os
from pathlib import Path

import pytest

from anyclaude.cli.main import main
from anyclaude.config.load import Resolved, resolve
from anyclaude.config.schema import schema_text
from tests.support.broken_configs import SETTINGS, Broken

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, an empty working directory beside it, and no variable of ours."""
    for folder in ("home", "project"):
        (tmp_path / folder).mkdir()
    for name in [name for name in os.environ if name.startswith(("ANYCLAUDE_", "LMSTUDIO_", "OPENROUTER_", "MLX_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "home"


def _resolve(home: Path, environ: dict[str, str] | None = None, **flags: str) -> Resolved:
    return resolve(flags, environ or {}, Path.cwd(), home)


def test_flags_environment_project_user_default(home: Path) -> None:
    (home / ".anyclauderc.json").write_text('{"backend": "claude", "port": 1, "models": {"opus": "u", "haiku": "u"}}')
    Path(".anyclauderc.json").write_text('{"backend": "openrouter", "models": {"opus": "p"}}')
    resolved = _resolve(home, {"ANYCLAUDE_PORT": "2"}, mode="lmstudio")
    origins = {path: resolved.origins[path] for path in ("mode", "port", "models.opus", "models.haiku", "debug")}
    assert origins == {
        "mode": "--mode",
        "port": "ANYCLAUDE_PORT",
        "models.opus": ".anyclauderc.json: models.opus",
        "models.haiku": "~/.anyclauderc.json: models.haiku",
        "debug": "default",
    }
    assert (resolved.settings.mode, resolved.settings.port, resolved.settings.models.opus) == ("lmstudio", 2, "p")


def test_the_second_place_of_the_users_file(home: Path, tmp_path: Path) -> None:
    for folder, port in ((home / ".config", 1), (tmp_path / "xdg", 2)):
        (folder / "anyclaude").mkdir(parents=True)
        (folder / "anyclaude" / "config.json").write_text(json.dumps({"port": port}))
    assert _resolve(home).origins["port"] == "~/.config/anyclaude/config.json: port"
    assert _resolve(home, {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}).settings.port == 2
    (home / ".anyclauderc.json").write_text("{}")
    assert _resolve(home).settings.port == 0


@pytest.mark.parametrize("broken", SETTINGS)
def test_a_broken_file_is_one_sentence(broken: Broken, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".anyclauderc.json").write_text(broken.text)
    assert main(["--show-config"]) == 2
    told = capsys.readouterr().err
    assert broken.fault_of(told, ".anyclauderc.json") is None


def test_what_is_no_settings_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(".anyclauderc.json")
    path.mkdir()
    assert main(["--show-config"]) == 2
    path.rmdir()
    os.mkfifo(path)
    assert main(["--show-config"]) == 2
    path.unlink()
    path.write_bytes(b'{"model": "\xff"}')
    assert main(["--show-config"]) == 2
    path.write_bytes(b" " * 1_000_001)
    assert main(["--show-config"]) == 2
    told = capsys.readouterr().err.splitlines()
    ends = [
        "is a directory",
        "is not a regular file",
        "is not UTF-8 text",
        "is larger than 1 MB",
    ]
    assert [end in line for end, line in zip(ends, told, strict=True)] == [True] * 4


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ANYCLAUDE_DEBUG", "4", "must be a whole number from 0 (off) to 3 (traces), not '4'"),
        ("ANYCLAUDE_SKIP_SETUP_CHECK", "maybe", "must be true or false (also 1/0, yes/no, on/off), not 'maybe'"),
        ("ANYCLAUDE_SMART_PROMPT", "x", "must be true or false"),
        ("ANYCLAUDE_SAFE_FILTER", "x", "must be true or false"),
        ("ANYCLAUDE_TRUNCATE_PROMPT", "x", "must be true or false"),
        ("ANYCLAUDE_FILTER_TIER", "max", "must be 'auto', 'minimal', 'moderate', 'aggressive' or 'extreme', not 'max'"),
        ("MLX_CLUSTER_ENABLED", "x", "must be true or false"),
        ("MLX_CLUSTER_STRATEGY", "random", "must be one of round-robin, least-loaded, cache-aware, latency-based, not"),
        ("MLX_CLUSTER_DISCOVERY", "lan", "must be one of static, dns, mdns, not 'lan'"),
        ("MLX_CLUSTER_KEY", "hunter2", "must be at least 16 characters, the same as the workers' MLX_WORKER_TOKEN"),
        ("MLX_CLUSTER_HEALTH_INTERVAL", "0", "must be a whole number of milliseconds from 100 to 3600000, not '0'"),
        ("OPENROUTER_BASE_URL", "hunter2", "must be an http:// or https:// URL, as in https://openrouter.ai/api/v1"),
    ],
)
def test_a_wrong_variable_is_one_sentence(
    name: str,
    value: str,
    sentence: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["--show-config"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"anyclaude: {name} {sentence}")
    assert "hunter2" not in told


def test_show_config_masks_secrets(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LMSTUDIO_URL", "http://h:1/v1")
    for name in ("LMSTUDIO_API_KEY", "OPENROUTER_API_KEY", "ANYCLAUDE_AUTH_TOKEN", "MLX_CLUSTER_KEY"):
        monkeypatch.setenv(name, "hunter2 of the cluster")
    monkeypatch.setenv("MLX_CLUSTER_NODES", '[{"id": "a", "url": "http://a", "token": "hunter2"}]')
    assert main(["--show-config", "--mode=claude"]) == 0
    shown = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert "hunter2" not in shown
    assert rows["backends.lmstudio.baseUrl"] == ['"http://h:1/v1"', "LMSTUDIO_URL"]
    assert rows["backends.openrouter.apiKey"] == ['"****"', "OPENROUTER_API_KEY"]
    assert rows["backend"] == ['"claude"', "--mode"]


def test_a_cluster_that_is_enabled_is_the_mode_unless_one_is_named(home: Path) -> None:
    enabled = {"MLX_CLUSTER_ENABLED": "true"}
    assert _resolve(home, enabled).settings.mode == "mlx-cluster"
    assert _resolve(home, {**enabled, "ANYCLAUDE_MODE": "claude"}).settings.mode == "claude"
    assert _resolve(home, enabled, mode="claude").settings.mode == "claude"
    assert _resolve(home, {"MLX_CLUSTER_ENABLED": "false"}).settings.mode == "lmstudio"


def test_the_schema_that_is_shipped_is_that_of_the_settings(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (ROOT / "src/anyclaude/config/schema.json").read_text() == schema_text()
    assert main(["--config-schema"]) == 0
    assert capsys.readouterr().out == schema_text()


def test_the_example_is_valid(home: Path) -> None:
    (home / ".anyclauderc.json").write_text((ROOT / ".anyclauderc.example.json").read_text())
    assert [node.id for node in _resolve(home).settings.backends.mlx_cluster.nodes] == ["mac1", "mac2"]
