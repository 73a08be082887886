"""A vocabulary of the 256 bytes, some words and a model's markers: what a grammar needs of a tokenizer."""

import re
from collections.abc import Iterator, Sequence
from random import Random

from llguidance import LLTokenizer
from llguidance._tokenizer import TokenizerWrapper

from mlx_worker.constraint import Constraint

END = 256
SPECIALS = (
    "<end>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
)
WORDS = ('{"', '":', '", "', "name", "arguments", '"}', "}}", "true", "null", "  ", "\n\n", "ü", "call>{")


class _ByteTokenizer:
    """What llguidance's wrapper asks of one."""

    eos_token_id = END
    bos_token_id = None
    special_token_ids = tuple(range(END, END + len(SPECIALS)))
    tokens = (*(bytes([byte]) for byte in range(256)), *(word.encode() for word in (*SPECIALS, *WORDS)))

    def __call__(self, text: str | bytes) -> list[int]:
        """Markers are one token each, as in a model's tokenizer, all else is bytes."""
        text = text.encode() if isinstance(text, str) else text
        parts = re.split(b"(" + b"|".join(re.escape(one.encode()) for one in SPECIALS) + b")", text)
        return [token for part in parts for token in ([self.tokens.index(part)] if part.decode() in SPECIALS else part)]


def byte_words() -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(_ByteTokenizer()))


def special(text: str) -> int:
    return END + SPECIALS.index(text)


def allowed(constraint: Constraint) -> Sequence[int] | None:
    """The tokens that may come, None: all."""
    mask = constraint.allowed()
    return None if mask is None else [i for i in range(8 * len(mask)) if mask[i // 8] >> i % 8 & 1]


def walk(constraint: Constraint, random: Random, most: int = 3000) -> Iterator[tuple[int, bytes, bool]]:
    """(token, its bytes, held) of what a model without any sense might write, up to the end of its turn.

    Closing quotes and brackets are likely, so that it ends.
    """
    for _ in range(most):
        may = allowed(constraint)
        assert may is None or may, "a mask must leave something"
        choices = range(len(_ByteTokenizer.tokens)) if may is None else may
        closing = [token for token in choices if token == END or _ByteTokenizer.tokens[token] in (b'"', b"}", b"]")]
        token = random.choice(closing if closing and random.random() < 0.3 else list(choices))
        constraint.advance(token)
        if token == END:
            return
        yield token, _ByteTokenizer.tokens[token], constraint.held
    raise AssertionError("it never ended")
