"""What holds for every prompt: the chain applied twice, on a longer conversation, on cut prompts and odd tools."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.prompt.chain import optimise
from anyclaude.prompt.options import Options
from anyclaude.prompt.safe_filter import TIERS
from anyclaude.wire.json import encode
from tests.unit.prompt.prompts import EDIT, LONG_PARAGRAPH, MINE, PROMPT, READ, request

LINES = st.sampled_from(
    [
        *PROMPT.split("\n"),
        "## Deeper",
        "### Deepest words",
        "# Harness",
        "# Asking questions as you work",
        "# Planning without timelines",
        "# Context management",
        "<env>",
        "```",
        "~~~",
        "<example>",
        "</example>",
        "use Edit in a tool call",
        "IMPORTANT: Read",
        "for example, x",
        "<examples>",
        "</examples>",
        "<types>",
        "</types>",
        f"You are here. {LONG_PARAGRAPH} A tool call is harmful. Edit this. `Read` that? E.g. Not security.",
        "you are",
        LONG_PARAGRAPH * 9,
    ]
)
TEXTS = st.lists(LINES, max_size=30).map("\n".join)
MARKED = {"type": "ephemeral"}
SYSTEMS = st.one_of(
    TEXTS,
    st.lists(
        st.builds(
            lambda text, marked: {"type": "text", "text": text} | marked,
            TEXTS,
            st.sampled_from([{}, {"cache_control": MARKED}]),
        ),
        max_size=4,
    ),
)
OPTIONS = st.builds(
    Options,
    smart=st.booleans(),
    safe_filter=st.booleans(),
    tier=st.sampled_from(["auto", "minimal", "moderate", "aggressive", "extreme"]),
    truncate=st.booleans(),
    max_system_tokens=st.sampled_from([1, 100, 500, 2000]),
    slim_tools=st.sampled_from(["off", "noise", "short"]),
    allowed_tools=st.sampled_from([None, frozenset({"Read"}), frozenset({"x"})]),
)
QUESTIONS = st.sampled_from(["Sort the shelf.", "commit it", "remember the plan", ""])
WORDS = st.text("ab. \n", max_size=900)
TOOLS = st.lists(
    st.builds(
        lambda words, more: {
            "name": f"t{len(words)}",
            "description": words,
            "input_schema": {**READ["input_schema"], "items": {"anyOf": [more, READ["input_schema"]]}},
        },
        WORDS,
        st.fixed_dictionaries(
            {}, optional={"description": WORDS, "maximum": st.integers(), "required": st.just(["a"])}
        ),
    ),
    max_size=4,
).map(lambda tools: [READ, *tools, EDIT])


@given(SYSTEMS, TOOLS, OPTIONS, QUESTIONS)
def test_twice_is_once(system: Any, tools: Any, options: Options, question: str) -> None:
    once = optimise(request(system, question, tools=tools), options).request
    assert optimise(once, options).request is once


@given(SYSTEMS, OPTIONS, QUESTIONS, st.text())
def test_later_messages_change_nothing(system: Any, options: Options, question: str, later: str) -> None:
    asked = request(system, question)
    first = optimise(asked, options).request
    more = [{"role": "assistant", "content": later}, {"role": "user", "content": f"commit, remember, plan {later}"}]
    grown = optimise({**asked, "messages": [*asked["messages"], *more]}, options).request
    assert (grown["system"], grown["tools"]) == (first["system"], first["tools"])


@given(SYSTEMS, TOOLS, OPTIONS)
def test_never_larger(system: Any, tools: Any, options: Options) -> None:
    asked = request(system, tools=tools)
    assert len(encode(dict(optimise(asked, options).request))) <= len(encode(asked))


@given(SYSTEMS, TOOLS, OPTIONS, QUESTIONS)
def test_the_order_of_keys_changes_nothing(system: Any, tools: Any, options: Options, question: str) -> None:
    asked = request(system, question, tools=tools)
    done, turned = optimise(asked, options), optimise(_turned(asked), options)
    assert turned.request == done.request
    assert turned.report == done.report


@given(st.integers(0, len(PROMPT.encode())), st.integers(0, len(PROMPT.encode())), OPTIONS)
def test_a_prompt_cut_at_any_byte_passes(start: int, end: int, options: Options) -> None:
    text = PROMPT.encode()[start:end].decode(errors="surrogateescape")
    done = optimise(request(text), options)
    assert optimise(done.request, options).request is done.request


@given(st.lists(LINES, max_size=20).map("\n".join), st.sampled_from(TIERS))
def test_what_the_user_brought_is_never_cut(before: str, tier: Any) -> None:
    done = optimise(request(f"{before}\n{MINE}"), Options(safe_filter=True, tier=tier)).request
    fenced = before.count("```") + before.count("~~~")
    assert fenced or done["system"].endswith(MINE)


@pytest.mark.parametrize("tier", TIERS)
def test_a_tool_that_comes_late_does_not_change_what_the_others_made(tier: Any) -> None:
    options = Options(safe_filter=True, tier=tier, slim_tools="short")
    early = optimise(request(), options).request
    late = optimise(request(tools=[READ, EDIT, {"name": "mcp__a__b", "input_schema": {}}]), options).request
    assert late["system"] == early["system"]
    assert late["tools"][:2] == early["tools"]


@given(TOOLS, st.sampled_from(["noise", "short"]))
def test_names_order_types_and_required_stay(tools: Any, level: Any) -> None:
    slimmed = optimise(request(tools=tools), Options(slim_tools=level)).request["tools"]
    assert [_core(tool) for tool in slimmed] == [_core(tool) for tool in tools]


SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", ["string", "null"]]),
            "description": WORDS,
            "enum": st.lists(st.sampled_from(["a", 1, None]), min_size=1, unique=True),
            "minimum": st.sampled_from([0, -(2**53) + 1]),
            "pattern": st.just("^a"),
            "$comment": WORDS,
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(st.sampled_from(["description", "a", "$id", "enum"]), inner, max_size=3),
            "required": st.just(["a"]),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "items": inner,
            "additionalProperties": inner | st.booleans(),
        },
    ),
    max_leaves=8,
)


@given(SCHEMAS, st.sampled_from(["noise", "short"]))
def test_a_slimmed_schema_asks_for_the_same(schema: Any, level: Any) -> None:
    """All that a validator looks at is there, but for bounds that say nothing."""
    slimmed = optimise(request(tools=[{"name": "t", "input_schema": schema}]), Options(slim_tools=level)).request
    assert _asked(slimmed["tools"][0]["input_schema"]) == _asked(schema)


def _asked(value: Any, is_schema: bool = True) -> Any:
    if isinstance(value, list):
        return [_asked(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    ignored = {"description", "$comment", "$id"} if is_schema else set()
    kept = {
        key: entry for key, entry in value.items() if key not in ignored and not (is_schema and _is_open(key, entry))
    }
    return {key: _asked(entry, key != "properties") for key, entry in kept.items()}


def _is_open(key: str, value: Any) -> bool:
    return key == "minimum" and value < 0


def _turned(value: Any) -> Any:
    if isinstance(value, list):
        return [_turned(entry) for entry in value]
    return {key: _turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value


def _core(tool: Any) -> Any:
    schema = tool["input_schema"]
    names = {name: value["type"] for name, value in schema.get("properties", {}).items()}
    return tool["name"], schema.get("type"), schema.get("required"), names
