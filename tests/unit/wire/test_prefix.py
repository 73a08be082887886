"""The vectors are part of the contract: another implementation must reach the same digits."""

import hashlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.wire.json import encode
from anyclaude.wire.prefix import prefix_hash, prefix_hash_of, system_text_of

READ = {
    "type": "function",
    "function": {"name": "Read", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}},
}
VECTORS: list[tuple[str, list[Any] | None, str]] = [
    ("", None, "f83dbcb792522e51cd1f8adcd3270613"),
    ("You are a helpful assistant.", [], "d48eb1ba5abc019629f09e780e52db9c"),
    ("You are a helpful assistant.", [READ], "79a7bf1444003e686f48a84c68219376"),
    ("Grüße\n\u2028 \U0001f600 \"'\\", [{"x": [1, 2.5, 1e16, True, None]}], "ca8e390dc36ef57916f61108c076f5d2"),
]


@pytest.mark.parametrize(("system", "tools", "name"), VECTORS)
def test_the_vectors(system: str, tools: list[Any] | None, name: str) -> None:
    assert prefix_hash(system, tools) == name


def test_a_vector_by_hand() -> None:
    """Without orjson: what the head of the file promises, spelled out with the standard library."""
    written = json.dumps({"system": "a", "tools": [READ]}, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(written.encode()).hexdigest()[:32] == prefix_hash("a", [READ])


def test_the_order_of_keys_does_not_matter_and_that_of_tools_does() -> None:
    turned = {"function": dict(reversed(READ["function"].items())), "type": "function"}  # type: ignore[attr-defined]
    assert prefix_hash("s", [turned]) == prefix_hash("s", [READ])
    assert prefix_hash("s", [READ, {"a": 1}]) != prefix_hash("s", [{"a": 1}, READ])


def test_a_request_is_its_leading_system_messages_and_its_tools() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "developer", "content": "c"},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "later"},
    ]
    assert system_text_of(messages) == "a\nb\n\nc"
    assert prefix_hash_of({"messages": messages, "tools": [READ]}) == prefix_hash("a\nb\n\nc", [READ])


def test_tools_that_the_model_does_not_see_do_not_count() -> None:
    asked = {"messages": [{"role": "system", "content": "a"}], "tools": [READ], "tool_choice": "none"}
    assert prefix_hash_of(asked) == prefix_hash("a")


def test_nothing_at_all_has_a_name_too() -> None:
    assert prefix_hash_of({"messages": [{"role": "user", "content": "hi"}]}) == prefix_hash("")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(codec=None), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(system=st.text(max_size=20), tools=st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=3))
def test_both_ends_of_the_wire_agree(system: str, tools: list[Any]) -> None:
    """The sender hashes its own value, the receiver what it read: half surrogates, NaN and huge numbers included."""
    request = {"messages": [{"role": "system", "content": system}], "tools": tools}
    assert prefix_hash_of(orjson.loads(encode(request))) == prefix_hash_of(request)
