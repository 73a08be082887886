"""A title that is asked of nobody, and requests that ask for something else."""

import json
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.router import Router
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.backends.titles import title_asked
from anyclaude.config.routes import Routes, Target
from anyclaude.wire.events import Finished, TextDelta

FORMAT = {"type": "json_schema", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}}


def request(said: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"type": "text", "text": said}]}]
    return {
        "model": "m",
        "max_tokens": 9,
        "tools": [],
        "messages": messages,
        "output_config": {"format": FORMAT},
        **more,
    }


@pytest.mark.parametrize(
    ("said", "title"),
    [
        (
            "<session>\nsort my books by author and then by year, please\n</session>\n\nWrite it.",
            "Sort my books by author and then",
        ),
        ("<session>\nfix  the\nlogin.\n</session>", "Fix the login"),
        ("<session>\n" + "x" * 500 + "\n</session>", "X" + "x" * 59),
        ("<session>\n\n</session>", "Session"),
        ("no tags at all", "No tags at all"),
        ("<session>cut", "Cut"),
    ],
)
def test_the_first_words(said: str, title: str) -> None:
    answer = title_asked(request(said))
    assert answer is not None
    assert json.loads(answer) == {"title": title}


def test_it_is_asked_for_under_an_older_name_too() -> None:
    asked = request("<session>\nfix it\n</session>", output_config={"effort": "low"}, output_format=FORMAT)
    assert title_asked(asked) == '{"title":"Fix it"}'


@pytest.mark.parametrize(
    "more",
    [
        {"output_config": {}},
        {"output_config": {"format": {"type": "json_schema", "schema": {"properties": {"other": {}}}}}},
        {"output_config": {"format": {"type": "json_schema", "schema": {"properties": {"title": {}, "more": {}}}}}},
        {"tools": [{"name": "Bash"}]},
        {"thinking": {"type": "adaptive"}},
    ],
)
def test_other_requests_are_the_models(more: dict[str, Any]) -> None:
    assert title_asked(request("<session>\nx\n</session>", **more)) is None


async def test_no_model_is_asked() -> None:
    backend = ScriptedBackend()
    for own, asked in ((True, 0), (False, 1)):
        router = Router({"lmstudio": backend}, Routes(Target("lmstudio")), own_titles=own)
        ask = request("<session>\nfix it\n</session>")
        async with router.follow(router.plan(ask, Caller()), ask, Caller()) as batches:
            events = [event async for batch in batches for event in batch]
        assert len(backend.requests) == asked
        assert isinstance(events[-1], Finished)
        assert (TextDelta('{"title":"Fix it"}') in events) is own
