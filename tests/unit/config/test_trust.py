"""A project's file may choose, and no more: what it cannot do, and what trusting it takes."""

import json
from pathlib import Path

import pytest

from anyclaude.config.load import Resolved, resolve
from anyclaude.config.model import Settings
from anyclaude.config.trust import is_free, trust
from anyclaude.errors import SetupError

FREE = {
    "backend": "openrouter",
    "models": {"haiku": "small"},
    "backends": {"lmstudio": {"model": "m", "filterTier": "extreme"}, "openrouter": {"models": ["a"]}},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return _made(tmp_path / "home")


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    return _made(tmp_path / "project")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _write(folder: Path, tree: object) -> Path:
    path = folder / ".anyclauderc.json"
    path.write_text(json.dumps(tree))
    return path


def _resolve(cwd: Path, home: Path) -> Resolved:
    return resolve({}, {}, cwd, home)


def test_backend_models_and_prompt_options_are_free_and_a_backend_is_said(cwd: Path, home: Path) -> None:
    _write(cwd, FREE)
    resolved = _resolve(cwd, home)
    lmstudio = resolved.settings.backends.lmstudio
    assert (resolved.settings.mode, resolved.settings.models.haiku) == ("openrouter", "small")
    assert (lmstudio.model, lmstudio.filter_tier) == ("m", "extreme")
    assert resolved.origins["backends.lmstudio.model"] == ".anyclauderc.json: backends.lmstudio.model"
    assert resolved.notices == (
        "the backend is openrouter, as this directory's file says (.anyclauderc.json: backend)",
    )


@pytest.mark.parametrize(
    ("tree", "key"),
    [
        ({"backends": {"lmstudio": {"baseUrl": "http://evil"}}}, "backends.lmstudio.baseUrl"),
        ({"backends": {"claude": {"baseUrl": "http://evil"}}}, "backends.claude.baseUrl"),
        ({"backends": {"openrouter": {"apiKey": "theirs"}}}, "backends.openrouter.apiKey"),
        ({"backends": {"openrouter": {"provider": {"only": ["evil"]}}}}, "backends.openrouter.provider"),
        ({"backends": {"openrouter": {"enabled": False}}}, "backends.openrouter.enabled"),
        (
            {"backends": {"mlx-cluster": {"discovery": {"nodes": [{"id": "e", "url": "http://e"}]}}}},
            "backends.mlx-cluster.discovery.nodes",
        ),
        ({"authToken": "known"}, "authToken"),
        ({"port": 1}, "port"),
        ({"proxyOnly": True}, "proxyOnly"),
        ({"debug": 3}, "debug"),
        ({"model": "evil/folder"}, "model"),
        ({"deadlines": {"connect": 1}}, "deadlines.connect"),
        ({"profiles": {"m": {"tools": False}}}, "profiles"),
        ({"webSearch": {"searxng": "http://evil"}}, "webSearch.searxng"),
        ({"webSearch": {"tavilyKey": "theirs"}}, "webSearch.tavilyKey"),
        ({"webSearch": {"braveKey": "theirs"}}, "webSearch.braveKey"),
    ],
)
def test_what_is_not_free_counts_only_when_trusted(tree: object, key: str, cwd: Path, home: Path) -> None:
    path = _write(cwd, tree)
    resolved = _resolve(cwd, home)
    assert resolved.settings == Settings()
    assert resolved.notices == (
        f"{path} sets {key}, which is left out because this directory is not trusted; "
        "look at the file, then run `anyclaude --trust`",
    )
    assert key in trust(cwd, home)
    resolved = _resolve(cwd, home)
    assert resolved.settings != Settings()
    assert not resolved.notices


def test_a_file_that_changes_is_a_stranger_again(cwd: Path, home: Path) -> None:
    _write(cwd, {"port": 1})
    trust(cwd, home)
    _write(cwd, {"port": 2})
    resolved = _resolve(cwd, home)
    assert resolved.settings.port == 0
    assert "has changed since it was trusted" in resolved.notices[0]


def test_trust_is_for_one_directory(cwd: Path, home: Path, tmp_path: Path) -> None:
    _write(cwd, {"port": 1})
    trust(cwd, home)
    other = _made(tmp_path / "other")
    _write(other, {"port": 1})
    assert _resolve(other, home).settings.port == 0


def test_a_link_is_never_trusted(cwd: Path, home: Path, tmp_path: Path) -> None:
    (cwd / ".anyclauderc.json").symlink_to(_write(_made(tmp_path / "other"), {"port": 1}))
    with pytest.raises(SetupError, match="cannot be trusted, because the file is a link"):
        trust(cwd, home)
    resolved = _resolve(cwd, home)
    assert resolved.settings.port == 0
    assert "because the file is a link" in resolved.notices[0]


def test_another_users_file_is_never_trusted(cwd: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(cwd, {"port": 1})
    trust(cwd, home)
    other = path.stat().st_uid + 1
    monkeypatch.setattr("os.getuid", lambda: other)
    monkeypatch.setattr("anyclaude.config.trust._ROOT", other)
    assert "belongs to another user" in _resolve(cwd, home).notices[0]
    with pytest.raises(SetupError, match="belongs to another user"):
        trust(cwd, home)


def test_in_the_home_directory_the_file_is_the_users(home: Path) -> None:
    _write(home, {"port": 7})
    resolved = _resolve(home, home)
    assert (resolved.settings.port, resolved.notices) == (7, ())
    assert resolved.origins["port"] == "~/.anyclauderc.json: port"
    with pytest.raises(SetupError, match="nothing to trust"):
        trust(home, home)


def test_the_record_is_private_and_whole(cwd: Path, home: Path) -> None:
    _write(cwd, {"port": 1})
    trust(cwd, home)
    record = home / ".anyclaude" / "trusted.json"
    assert (record.stat().st_mode & 0o777, record.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert {entry.name for entry in record.parent.iterdir()} == {"trusted.json", "trusted.lock"}
    assert list(json.loads(record.read_text())) == [str(cwd.resolve())]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "{", "\udc80"])
def test_a_broken_record_trusts_nobody(content: str, cwd: Path, home: Path) -> None:
    _write(cwd, {"port": 1})
    record = _made(home / ".anyclaude") / "trusted.json"
    record.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SetupError, match="is no list of trusted directories"):
        _resolve(cwd, home)


def test_a_record_that_others_may_write_trusts_nobody(cwd: Path, home: Path) -> None:
    _write(cwd, {"port": 1})
    trust(cwd, home)
    (home / ".anyclaude" / "trusted.json").chmod(0o666)
    with pytest.raises(SetupError, match="can be written by other users"):
        _resolve(cwd, home)


def test_what_is_new_is_not_free() -> None:
    assert not is_free(("anything",))
    assert not is_free(("backends", "lmstudio", "anything"))


def test_routes_to_another_backend_are_said(cwd: Path, home: Path) -> None:
    routes = {
        "models": {"subagent": "openrouter:x", "haiku": "small"},
        "backends": {"lmstudio": {"fallback": ["claude"]}},
    }
    (cwd / ".anyclauderc.json").write_text(json.dumps(routes))
    assert resolve({}, {}, cwd, home).notices == (
        "requests go to openrouter:x, as this directory's file says (.anyclauderc.json: models.subagent)",
        "requests go to claude, as this directory's file says (.anyclauderc.json: backends.lmstudio.fallback)",
    )
