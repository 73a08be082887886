"""What is measured: the upstream asked directly, the byte relay, and anyclaude. Each gets the same request."""

import os
import re
import secrets
import shutil
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from children import Child, listening_port, python_child
from exchange import Address, ask, post
from failure import BenchError
from question import request_body, request_headers

_EXPORT = re.compile(r"export (ANTHROPIC_BASE_URL|ANTHROPIC_AUTH_TOKEN)=(\S+)")


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    child: Child
    address: Address


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs. `control` reaches the upstream's own switches."""

    direct: Target
    measured: tuple[Target, ...]
    control: Address

    def set_plan(self, query: str) -> None:
        set_plan(self.control, query)


def set_plan(control: Address, query: str) -> None:
    """What the upstream answers from now on."""
    with control.connect() as link:
        ask(link, f"GET /bench/plan?{query} HTTP/1.1\r\nHost: upstream\r\n\r\n".encode(), b"{")


def start_upstream(stack: ExitStack) -> tuple[Child, str]:
    """The upstream and its base URL; `stack` ends it. Raises BenchError."""
    upstream = stack.enter_context(python_child("upstream", "upstream.py"))
    return upstream, f"http://127.0.0.1:{listening_port(upstream)}/v1"


def set_stage(names: tuple[str, ...], request_bytes: int, turns: int, command: str | None, stack: ExitStack) -> Stage:
    """Start the upstream and the targets; `stack` ends them. Raises BenchError."""
    upstream, url = start_upstream(stack)
    body = request_body(request_bytes, turns)
    direct = Target("direct", upstream, post(f"{url}/chat/completions", request_headers(), body))
    started = {"relay": _start_relay, "anyclaude": _start_anyclaude}
    measured = tuple(started[name](url, body, command, stack) for name in names)
    return Stage(direct, measured, Address(direct.address.host, direct.address.port))


def _start_relay(upstream_url: str, body: bytes, command: str | None, stack: ExitStack) -> Target:
    child, url = start_relay(upstream_url, stack)
    return Target("relay", child, post(url, request_headers(), body))


def start_relay(upstream_url: str, stack: ExitStack) -> tuple[Child, str]:
    """The byte relay in front of an upstream, and where it takes requests. Raises BenchError."""
    child = stack.enter_context(python_child("relay", "relay.py", f"{upstream_url}/chat/completions"))
    return child, f"http://127.0.0.1:{listening_port(child)}/v1/messages?beta=true"


def _start_anyclaude(upstream_url: str, body: bytes, command: str | None, stack: ExitStack) -> Target:
    child, base_url, token = start_proxy(upstream_url, command, stack)
    return Target("anyclaude", child, post(f"{base_url}/v1/messages?beta=true", request_headers(token), body))


def start_proxy(upstream_url: str, command: str | None, stack: ExitStack, debug: int = 0) -> tuple[Child, str, str]:
    """`anyclaude --proxy-only` in front of an upstream, its base URL and its token. Raises BenchError.

    debug: its level; 3 keeps traces.
    """
    home = stack.enter_context(tempfile.TemporaryDirectory(prefix="anyclaude-bench-"))
    token = secrets.token_urlsafe(24)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANYCLAUDE_", "LMSTUDIO_"))
    }
    environment |= {
        "HOME": home,
        "LMSTUDIO_URL": upstream_url,
        "ANYCLAUDE_AUTH_TOKEN": token,
        "ANYCLAUDE_DEBUG": str(debug),
    }
    launch = [command or installed_anyclaude(), "--mode=lmstudio", "--proxy-only", "--port=0"]
    child = stack.enter_context(Child("anyclaude", launch, environment))
    exports = {match[1]: match[2] for line in child.lines(2) if (match := _EXPORT.fullmatch(line))}
    if len(exports) != 2:
        raise BenchError("anyclaude --proxy-only did not print its two export lines")
    return child, exports["ANTHROPIC_BASE_URL"], exports["ANTHROPIC_AUTH_TOKEN"]


def installed_anyclaude() -> str:
    """The command beside this Python, or on PATH. Raises BenchError."""
    beside = Path(sys.executable).parent / "anyclaude"
    found = str(beside) if beside.exists() else shutil.which("anyclaude")
    if found is None:
        raise BenchError(
            "no `anyclaude` is installed beside this Python or on PATH: pip install -e . or --targets relay"
        )
    return found
