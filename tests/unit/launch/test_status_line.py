"""The status line: when it is ours, what it says, and that it never fails."""

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anyclaude.launch import status_line as setting
from anyclaude.launch import status_line_child as child

OWN = json.dumps({"statusLine": {"type": "command", "command": "mine"}})
ASKED: dict[str, Any] = {
    "session_id": "11111111-2222-3333-4444-555555555555",
    "model": {"id": "qwen3", "display_name": "qwen3"},
    "context_window": {
        "context_window_size": 200_000,
        "current_usage": {
            "input_tokens": 1000,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 11_000,
            "output_tokens": 288,
        },
    },
}
LAST = {
    "backend": "lmstudio",
    "model": "qwen/qwen3-coder-30b",
    "context_window": 32_768,
    "prompt_tokens": 12_000,
    "cached_tokens": 11_000,
    "tokens_per_second": 41.7,
}
TOLD: dict[str, Any] = {"backend": "lmstudio", "model": "main", "turns": 3, "cost": None, "last": LAST}


# When it is ours


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An account without settings, in a folder of a project."""
    work = tmp_path / "home/project/src"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return {"HOME": str(tmp_path / "home")}


def ours(environ: dict[str, str], tmp_path: Path) -> bool:
    return bool(setting.status_line(environ, [tmp_path / "managed"]))


def test_a_person_without_one_gets_ours(person: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home/.claude").mkdir()
    (tmp_path / "home/.claude/settings.json").write_text('{"model": "opus", "subagentStatusLine": {}}')
    line = setting.status_line(person, [tmp_path / "managed"])["statusLine"]
    assert line["type"] == "command"
    assert shlex.split(line["command"])[0] == sys.executable


@pytest.mark.parametrize(
    "place",
    [
        "home/.claude/settings.json",
        "home/project/src/.claude/settings.json",
        "home/project/src/.claude/settings.local.json",
        "home/.claude/settings.local.json",
        "managed/managed-settings.json",
        "managed/managed-settings.d/10-line.json",
    ],
)
def test_one_of_their_own_stays(place: str, person: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OWN)
    assert not ours(person, tmp_path)
    path.write_text("{}")
    assert ours(person, tmp_path)


def test_another_folder_of_settings_counts(person: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/settings.json").write_text(OWN)
    assert not ours({**person, "CLAUDE_CONFIG_DIR": str(tmp_path / "elsewhere")}, tmp_path)


def test_what_cannot_be_read_is_left_alone(
    person: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, mode: str) -> None:
        raise PermissionError

    path = tmp_path / "home/.claude/settings.json"
    path.mkdir(parents=True)
    assert ours(person, tmp_path)
    path.rmdir()
    path.touch()
    monkeypatch.setattr(Path, "open", refused)
    assert not ours(person, tmp_path)


def test_a_folder_that_is_gone_has_none(person: dict[str, str], tmp_path: Path) -> None:
    Path.cwd().rmdir()
    assert not ours(person, tmp_path)


@pytest.mark.parametrize("flag", ["-p", "--print"])
def test_what_is_only_printed_has_no_place_for_it(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: True)
    assert setting.has_screen(["--continue"])
    assert not setting.has_screen([flag, "Hi"])
    monkeypatch.setattr(os, "isatty", lambda descriptor: False)
    assert not setting.has_screen(["--continue"])


# What it says


def test_a_turn() -> None:
    said = "lmstudio · qwen3-coder-30b · cached 91% · 42 tok/s · context 37% of 32k"
    assert child.line(ASKED, TOLD) == said


def test_before_the_first_turn() -> None:
    asked = {**ASKED, "context_window": {"context_window_size": 200_000, "current_usage": None}}
    assert child.line(asked, {**TOLD, "turns": 0, "last": None}) == "lmstudio · main"


def test_what_is_not_known_is_left_out() -> None:
    last = {**LAST, "cached_tokens": None, "tokens_per_second": None, "context_window": None}
    assert child.line(ASKED, {**TOLD, "last": last}) == "lmstudio · qwen3-coder-30b · context 6% of 200k"


@pytest.mark.parametrize(("window", "said"), [(900, "1365% of 900"), (32_768, "37% of 32k"), (1_048_576, "1% of 1.0M")])
def test_windows(window: int, said: str) -> None:
    assert child.line(ASKED, {**TOLD, "last": {**LAST, "context_window": window}}).endswith(f" · context {said}")


@pytest.mark.parametrize(("cost", "said"), [(0.0, "$0.0000"), (0.01234, "$0.0123"), (12.3456, "$12.35")])
def test_cost(cost: float, said: str) -> None:
    assert child.line(ASKED, {**TOLD, "cost": cost}).endswith(f" · {said}")


def test_without_the_proxy_it_is_what_claude_code_says() -> None:
    assert child.line(ASKED, {}) == "anyclaude · qwen3 · context 6% of 200k"
    assert child.line({}, {}) == "anyclaude"


def test_names_cannot_write_on_the_screen() -> None:
    last = {**LAST, "model": "x\x1b[2J\n\u202e" + "y" * 100, "backend": 7}
    line = child.line({}, {**TOLD, "last": last})
    assert line.isprintable()
    assert len(line) < 120


@pytest.mark.parametrize("odd", [{}, {"last": []}, {"last": dict.fromkeys(LAST, "x")}, {"last": None, "cost": True}])
def test_what_another_version_says_harms_nothing(odd: dict[str, Any]) -> None:
    for one, other in ((ASKED, odd), (odd, TOLD), (odd, odd), ({"context_window": {"current_usage": {"a": 1}}}, TOLD)):
        assert child.line(one, other)


# How it asks


@contextmanager
def proxy(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """One connection on loopback, answered with that; silent where it is empty."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            requests.append(connection.recv(4096))
            if not answer:
                over.wait(10)
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        over.set()
        thread.join(10)
        listener.close()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer here depends on the machine's speed."""
    monkeypatch.setattr(child, "DEADLINE", 30.0)


def environ(url: str, token: str = "t") -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": token}


def test_it_asks_with_the_token_and_the_session() -> None:
    with proxy(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (url, requests):
        assert child.ask(environ(url), ASKED["session_id"]) == b"{}"
    head = requests[0].decode().split("\r\n")
    assert head[0] == f"GET {child.PATH}{ASKED['session_id']} HTTP/1.0"
    assert "x-anyclaude-token: t" in head


def test_with_claude_itself_the_token_has_a_header_of_its_own() -> None:
    with proxy(b"HTTP/1.0 200 OK\r\n\r\n{}") as (url, requests):
        headers = "X-Mine: 1\nX-Anyclaude-Token: ours"
        assert child.ask(environ(url, "of-the-person") | {"ANTHROPIC_CUSTOM_HEADERS": headers}, "s") == b"{}"
    assert b"x-anyclaude-token: ours\r\n" in requests[0]
    assert b"of-the-person" not in requests[0]


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.0 401 Unauthorized\r\n\r\n{}", b"garbage", b"HTTP/1.0 500 x\r\n\r\n<html>"]
)
def test_no_good_answer_is_none(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "DEADLINE", 0.1)
    with proxy(answer) as (url, _):
        assert child.ask(environ(url), "s") == b""


@pytest.mark.parametrize(
    ("url", "session"),
    [
        ("", "s"),
        ("https://api.anthropic.com", "s"),
        ("http://127.0.0.1.evil.example:80", "s"),
        ("http://127.0.0.1:1/x", "s"),
        ("http://127.0.0.1:99999", "s"),
        ("http://127.0.0.1:1", "s"),
        ("http://127.0.0.1:1", ""),
        ("http://127.0.0.1:1", "a/../b\r\nX: 1"),
    ],
)
def test_whom_it_does_not_ask(url: str, session: str) -> None:
    assert child.ask(environ(url), session) == b""


@pytest.mark.parametrize(
    ("asked", "said"),
    [(json.dumps(ASKED), "anyclaude · qwen3 · context 6% of 200k\n"), ("garbage", "anyclaude\n"), ("", "anyclaude\n")],
)
def test_the_command_of_the_setting_prints_one_line(
    asked: str, said: str, person: dict[str, str], tmp_path: Path
) -> None:
    shell = ["/bin/sh", "-c", setting.status_line(person, [tmp_path / "managed"])["statusLine"]["command"]]
    done = subprocess.run(shell, input=asked, capture_output=True, text=True, encoding="utf-8", timeout=30, env={})
    assert (done.returncode, done.stderr, done.stdout) == (0, "", said)
