"""Tokens in pieces are the tokens of the whole, on the kinds of tokenizers that local models have."""

import copy
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from mlx_worker.chat_template import TokenizerTemplate
from mlx_worker.generation import Conversation
from mlx_worker.prompts import build_prompt
from mlx_worker.tokenising import SHORTEST, Encode, RememberedTokens, cuts_of, pieces
from tests.support.tiny_tokenizers import EVERY, KINDS, RIGHT, SAFE, SHOWN, made


def encoder(tokenizer: Any) -> Encode:
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False))


@cache
def cuts(kind: str) -> tuple[str, ...]:
    tokenizer = made(kind)
    return cuts_of(tokenizer, SHOWN, encoder(tokenizer))


WHITE = [" ", "  ", "\n", "\t", "\r\n", "\u3000"]
WORDS = ["a", "word", " Word", "é", "e\u0301", "\u0301", "12", ".", "日本", "🙂", "▁", "\ufb01", "f(x):\n    return"]
STARTS = ["<", "<|", "|>", "x", "er", "(", "(("]
FRAGMENTS = st.sampled_from([*(token.content for token in EVERY), *WHITE, *WORDS, *STARTS])
TEXTS = st.lists(FRAGMENTS, max_size=60).map("".join)


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS, again=TEXTS)
@settings(max_examples=60, deadline=None)
def test_the_pieces_have_the_tokens_of_the_whole(kind: str, text: str, again: str) -> None:
    encode = encoder(made(kind))
    remembered = RememberedTokens(encode, cuts(kind), shortest=1)
    for asked in (text, text + again, again, text):
        assert [*remembered.encode(asked)] == encode(asked)


@pytest.mark.parametrize("kind", KINDS)
def test_cuts_are_made_only_where_the_tokenizer_cuts(kind: str) -> None:
    assert set(cuts(kind)) == {*SAFE, RIGHT.content}


def test_a_token_that_the_template_does_not_show_is_not_looked_for() -> None:
    tokenizer = made("byte_level")
    assert cuts_of(tokenizer, "{{ '<|im_start|>' + role }}", encoder(tokenizer)) == ("<|im_start|>",)


def test_a_tokenizer_that_does_not_keep_to_it_is_given_the_whole_text() -> None:
    tokenizer = made("byte_level")
    assert cuts_of(tokenizer, SHOWN, lambda text: [len(text)]) == ()


def test_without_added_tokens_there_is_one_piece() -> None:
    tokenizer = made("replaced", AddedToken("\n\n", normalized=False))
    assert cuts_of(tokenizer, "<|im_start|>\n\n", encoder(tokenizer)) == ()
    assert list(pieces("word " * 1000, ())) == ["word " * 1000]


class Counted:
    """Encodes a character as its number, and counts the characters that it was given."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, text: str) -> Sequence[int]:
        self.seen += len(text)
        return [ord(character) for character in text]


@given(st.lists(st.sampled_from(["#", "ab", "c" * SHORTEST]), max_size=30).map("".join), st.text("#a"))
def test_where_pieces_end_does_not_depend_on_what_follows(text: str, more: str) -> None:
    found, longer = list(pieces(text, ["#"])), list(pieces(text + more, ["#"]))
    assert "".join(found) == text
    assert longer[: len(found) - 1] == found[:-1]
    assert all(len(piece) >= SHORTEST for piece in found[:-1])


def test_the_next_turn_encodes_only_what_is_new() -> None:
    count = Counted()
    remembered = RememberedTokens(count, ["#"])
    first = "#system " + "s" * 5000 + "#question " + "q" * 500
    remembered.encode(first)
    assert count.seen == len(first)
    remembered.encode(first)
    assert count.seen == len(first)
    remembered.encode(first + "#answer")
    assert count.seen == len(first) + len("#answer")


def test_what_is_remembered_has_a_bound_and_the_latest_stays() -> None:
    count = Counted()
    remembered = RememberedTokens(count, ["#"], limit=100_000)
    opening = "#" + "o" * 2000
    for number in range(100):
        remembered.encode(opening + f"#{number}" + "x" * 1000)
        assert 0 < remembered.nbytes <= 100_000
    seen, kept = count.seen, remembered.nbytes
    assert kept > 90_000
    remembered.encode(opening)
    assert count.seen == seen
    remembered.encode("#" + "y" * 10_000)  # more than its share
    assert (count.seen, remembered.nbytes) == (seen + 10_001, kept)


def test_what_is_forgotten_is_encoded_again() -> None:
    count = Counted()
    remembered = RememberedTokens(count, ["#"])
    remembered.encode("#text")
    remembered.forget()
    assert remembered.nbytes == 0
    remembered.encode("#text")
    assert count.seen == 2 * len("#text")


def test_many_threads_get_the_same_tokens() -> None:
    encode = encoder(made("byte_level"))
    remembered = RememberedTokens(encode, cuts("byte_level"), limit=20_000)
    texts = [f"<|im_start|>{number}" + "word " * 200 + "<|im_end|>\n" + "y " * number for number in range(8)]
    want = [encode(text) for text in texts]
    together = threading.Barrier(4)

    def run() -> list[list[int]]:
        together.wait(10)
        return [[*remembered.encode(text)] for _ in range(20) for text in texts]

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run) for _ in range(4)]
        assert all(each.result() == want * 20 for each in runs)
    assert remembered.nbytes <= 20_000


class Wrapped:
    """What mlx-lm's wrapper adds to a tokenizer."""

    think_start = "<think>"
    think_end = ""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chat_of(kind: str) -> TokenizerTemplate:
    tokenizer = copy.copy(made(kind))
    tokenizer.chat_template = TEMPLATE
    return TokenizerTemplate(Wrapped(tokenizer))


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_system_prompt_ends_does_not_depend_on_what_is_asked(kind: str) -> None:
    chat, system = chat_of(kind), {"role": "system", "content": "Be brief. " * 100}
    questions = ("hi", "", "\nhi", "\n\n\nhi", " hi", "\t", "<x>", "12", "e", "é", "_", "🙂", ":", "[INST]")
    asked = [build_prompt(chat, Conversation([system, {"role": "user", "content": text}])) for text in questions]
    ends = {prompt.system_end for prompt in asked}
    assert len(ends) == 1
    assert len({prompt.tokens[: prompt.system_end] for prompt in asked}) == 1
    assert ends.pop() > len(chat.encode(system["content"]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_gives_the_tokens_of_the_whole_rendering(kind: str) -> None:
    chat = chat_of(kind)
    system, question = f"{SHOWN} a\n" * 20, f"\n {SHOWN}"
    asked = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    whole = made(kind).apply_chat_template(
        asked, chat_template=TEMPLATE, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    for _ in range(2):
        assert [*chat.encode(chat.render(Conversation(asked), generation=True))] == whole
