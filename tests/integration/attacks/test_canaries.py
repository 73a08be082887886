"""Secrets stay where they belong: 23 of them planted, and searched for in everything that is said or written."""

from pathlib import Path

from tests.integration.attacks.canaries import CANARIES, IN_ENVIRONMENT, LAUNCH, everything_said, leaks


async def test_no_secret_is_anywhere(tmp_path: Path) -> None:
    said = await everything_said(tmp_path)
    assert leaks(said) == []
    assert len(CANARIES) >= 20
    assert len(said) >= 30
    log = next(text for name, text in said.items() if name.startswith("the file .anyclaude/logs/"))
    assert "listening on" in log
    assert any("trace-" in name and "[redacted]" in text for name, text in said.items())
    assert "anyclaude_requests_total" in said["GET /metrics"]
    assert "redacted" not in said["the child's environment"]


def test_a_leak_would_be_found() -> None:
    said = {
        "an output": f"x{IN_ENVIRONMENT['BRAVE_API_KEY'].secret[:20]}",
        "the proxy's standard output": LAUNCH.secret,
    }
    assert leaks(said) == ["BRAVE_API_KEY in an output"]
