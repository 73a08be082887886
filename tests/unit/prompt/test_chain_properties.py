"""What holds for every prompt: the chain applied twice, on a longer conversation, and on odd tools."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.prompt.chain import optimise
from anyclaude.prompt.options import Options
from anyclaude.wire.json import encode
from tests.unit.prompt.prompts import EDIT, LONG_PARAGRAPH, PROMPT, READ, request

LINES = st.sampled_from(
    [
        *PROMPT.split("\n"),
        "## Deeper",
        "### Deepest words",
        "## Plan",
        "```",
        "~~~",
        "<example>",
        "</example>",
        "use Edit in a tool call",
        "IMPORTANT: Read",
        "for example, x",
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


@given(TOOLS, st.sampled_from(["noise", "short"]))
def test_names_order_types_and_required_stay(tools: Any, level: Any) -> None:
    slimmed = optimise(request(tools=tools), Options(slim_tools=level)).request["tools"]
    assert [_core(tool) for tool in slimmed] == [_core(tool) for tool in tools]


def _core(tool: Any) -> Any:
    schema = tool["input_schema"]
    names = {name: value["type"] for name, value in schema.get("properties", {}).items()}
    return tool["name"], schema.get("type"), schema.get("required"), names
