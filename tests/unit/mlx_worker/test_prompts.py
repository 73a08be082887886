from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.wire.prefix import shared_prefix
from mlx_worker.errors import BadRequest
from mlx_worker.generation import Conversation
from mlx_worker.prompts import ANY_QUESTION, build_prompt
from tests.support.fake_runner import WordTemplate

SYSTEM = {"role": "system", "content": "be brief"}
ASK = {"role": "user", "content": "how are you"}
TOOL = {"type": "function", "function": {"name": "look"}}


class Tailed(WordTemplate):
    """Ends the generation tail with more, as templates that open the thinking do; refuses what `refuse` says."""

    def __init__(self, tail: str = "", refuse: Any = lambda conversation: False) -> None:
        super().__init__()
        self._tail, self._refuse = tail, refuse

    def render(self, conversation: Conversation, *, generation: bool) -> str:
        if self._refuse(conversation):
            raise ValueError("roles must alternate")
        return super().render(conversation, generation=generation) + (self._tail if generation else "")


def test_the_stable_end_is_where_the_generation_tail_begins() -> None:
    prompt = build_prompt(Tailed(" <think>"), Conversation([SYSTEM, ASK]))
    assert len(prompt.tokens) == 4 + 5 + 2
    assert prompt.stable_end == 4 + 5
    assert prompt.section == "reasoning"


def test_the_next_turn_starts_with_all_that_was_stable() -> None:
    chat = Tailed(" <think>")
    first = build_prompt(chat, Conversation([SYSTEM, ASK]))
    answer = {"role": "assistant", "content": "fine"}
    second = build_prompt(chat, Conversation([SYSTEM, ASK, answer, ASK]))
    assert second.tokens[: first.stable_end] == first.tokens[: first.stable_end]


def test_the_system_end_is_shared_by_conversations_that_go_on_differently() -> None:
    chat = WordTemplate()
    one = build_prompt(chat, Conversation([SYSTEM, ASK], [TOOL]))
    other = build_prompt(chat, Conversation([SYSTEM, {"role": "user", "content": "else"}], [TOOL]))
    assert one.system_end == other.system_end == 3 + 4 + 1
    assert one.tokens[: one.system_end] == other.tokens[: other.system_end]


def test_tools_alone_are_worth_keeping_and_nothing_is_not() -> None:
    assert build_prompt(WordTemplate(), Conversation([ASK], [TOOL])).system_end == 4
    assert build_prompt(WordTemplate(), Conversation([ASK])).system_end == 0


def test_thinking_that_the_template_closes_again_is_no_reasoning() -> None:
    assert build_prompt(Tailed(" <think> </think>"), Conversation([ASK])).section == "normal"


def test_markers_in_the_users_words_do_not_count() -> None:
    assert build_prompt(WordTemplate(), Conversation([{"role": "user", "content": "<think>"}])).section == "normal"


def test_a_template_that_refuses_is_a_bad_request() -> None:
    with pytest.raises(BadRequest, match="roles must alternate"):
        build_prompt(Tailed(refuse=lambda conversation: True), Conversation([ASK]))


def test_a_template_that_refuses_the_shorter_form_costs_the_boundary_only() -> None:
    def no_real_question(conversation: Conversation) -> bool:
        return bool(conversation.messages[-1]["content"] == ANY_QUESTION)

    prompt = build_prompt(Tailed(refuse=no_real_question), Conversation([SYSTEM, ASK]))
    assert prompt.system_end == 0
    assert prompt.stable_end == 9


def test_an_empty_prompt_is_refused() -> None:
    class Silent(WordTemplate):
        def render(self, conversation: Conversation, *, generation: bool) -> str:
            return ""

    with pytest.raises(BadRequest, match="empty prompt"):
        build_prompt(Silent(), Conversation([ASK]))


@given(st.text("ab", max_size=40), st.text("ab", max_size=40))
def test_shared_prefix(one: str, other: str) -> None:
    length = shared_prefix(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]
