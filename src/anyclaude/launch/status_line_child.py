"""One line for Claude Code to show: a program of its own that knows nothing of the package, so that it starts fast.

Claude Code gives the session on standard input; the proxy, asked with the token that Claude Code itself has in its
environment, knows how the last turn went. Whatever is not known is left out, and no error is ever shown: without the
proxy the line is what Claude Code itself knows.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Mapping

Said = Mapping[str, object]

DEADLINE = 0.3
"""Seconds for the proxy to answer."""

PATH = "/anyclaude/session/"
_TOKEN_HEADER = "x-anyclaude-token"  # noqa: S105, a name
_LARGEST = 1024 * 1024  # bytes
_LONGEST = 40  # characters of a name
_SEPARATOR = " \u00b7 "


def main() -> None:
    asked = _object(sys.stdin.buffer.read(_LARGEST))
    told = _object(ask(os.environ, str(asked.get("session_id") or "")))
    sys.stdout.buffer.write(line(asked, told).encode() + b"\n")


def line(asked: Said, told: Said) -> str:
    """asked: what Claude Code says of the session. told: what the proxy does; empty where it does not answer."""
    last = _part(told, "last")
    backend = _name(last.get("backend") or told.get("backend")) or "anyclaude"
    model = _name(last.get("model") or told.get("model") or _part(asked, "model").get("id"))
    return _SEPARATOR.join(filter(None, (backend, model, *_figures(last), _context(asked, last), _cost(told))))


def ask(environ: Mapping[str, str], session: str) -> bytes:
    """What the proxy says of a session; nothing where it does not answer in time."""
    host, _, port = environ.get("ANTHROPIC_BASE_URL", "").removeprefix("http://").rstrip("/").partition(":")
    token = _token(environ)
    if host != "127.0.0.1" or not port.isdigit() or not token or not session.replace("-", "").isalnum():
        return b""
    request = f"GET {PATH}{session} HTTP/1.0\r\nHost: {host}:{port}\r\n{_TOKEN_HEADER}: {token}\r\n\r\n"
    try:
        head, _, body = _answer((host, int(port)), request.encode()).partition(b"\r\n\r\n")
    except (OSError, ValueError, OverflowError):
        return b""
    return body if head.split(b" ")[1:2] == [b"200"] else b""


def _answer(address: tuple[str, int], request: bytes) -> bytes:
    until = time.monotonic() + DEADLINE
    answer = b""
    with socket.create_connection(address, DEADLINE) as connection:
        connection.sendall(request)
        while len(answer) < _LARGEST:
            connection.settimeout(max(0.001, until - time.monotonic()))
            piece = connection.recv(_LARGEST)
            if not piece:
                break
            answer += piece
    return answer


def _token(environ: Mapping[str, str]) -> str:
    """With Claude itself it is in a header of its own, because the credential there is the person's."""
    for header in environ.get("ANTHROPIC_CUSTOM_HEADERS", "").splitlines():
        name, _, value = header.partition(":")
        if name.strip().lower() == _TOKEN_HEADER:
            return value.strip()
    return environ.get("ANTHROPIC_AUTH_TOKEN", "")


def _figures(last: Said) -> list[str]:
    prompt, cached, speed = (last.get(name) for name in ("prompt_tokens", "cached_tokens", "tokens_per_second"))
    return [
        f"cached {100 * _count(cached) // _count(prompt)}%" if _count(prompt) and cached is not None else "",
        f"{speed:.0f} tok/s" if isinstance(speed, int | float) else "",
    ]


def _context(asked: Said, last: Said) -> str:
    """What the conversation takes of the window that the model really has, where the proxy knows that."""
    said = _part(asked, "context_window")
    window = _count(last.get("context_window")) or _count(said.get("context_window_size"))
    used = sum(_count(count) for name, count in _part(said, "current_usage").items() if name.endswith("_tokens"))
    return f"context {100 * used // window}% of {_short(window)}" if window and used else ""


def _cost(told: Said) -> str:
    cost = told.get("cost")
    if not isinstance(cost, int | float):
        return ""
    return f"${cost:.4f}" if cost < 1 else f"${cost:.2f}"


def _short(count: int) -> str:
    if count >= 1_000_000:
        return f"{count / 1_000_000:.1f}M"
    return str(count) if count < 1000 else f"{count // 1000}k"


def _name(value: object) -> str:
    """Other programs' words: no control characters, and without the folders of a model's name."""
    text = value.rpartition("/")[2] if isinstance(value, str) else ""
    return "".join(sign for sign in text if sign.isprintable())[:_LONGEST]


def _part(whole: Said, name: str) -> Said:
    part = whole.get(name)
    return part if isinstance(part, dict) else {}


def _object(text: bytes) -> Said:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


if __name__ == "__main__":
    main()
