"""Records of traces, as the recorder writes them."""

from typing import Any


def record(messages: object = (), answer: object = (), **parts: Any) -> dict[str, Any]:
    """One that came whole. messages: of the request. answer: blocks. parts: of the record; `body`: of the request."""
    body = {"system": "be good", "messages": list_of(messages), **parts.pop("body", {})}
    return {
        "id": "req_1",
        "time": "2026-01-02T03:04:05.678+00:00",
        "mode": "lmstudio",
        "session": "s",
        "agent": None,
        "request": {"headers": {}, "body": body},
        "upstream": [],
        "response": {"status": 200, "body": {"content": list_of(answer)}},
        "timings_ms": {},
        "usage": {},
        "notes": [],
        "outcome": "complete",
        "error": None,
        **parts,
    }


def list_of(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": _content(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": _content(content)}


def call(id_: str, name: str = "Read", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": given}


def result(id_: str, content: object, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}


def _content(content: tuple[Any, ...]) -> Any:
    texts = [{"type": "text", "text": each} if isinstance(each, str) else each for each in content]
    return content[0] if len(content) == 1 and isinstance(content[0], str) else texts
