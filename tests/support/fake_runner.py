"""A runner without arrays: its state is the list of tokens computed, and what it says is scripted.

It holds the engine to the rules of the real one: a token is computed once and in order, and never the last one twice.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlx_worker.engine import ModelCard
from mlx_worker.generation import AnswerShape, Conversation, Generation, Prompt
from mlx_worker.prefix_entry import Cut
from mlx_worker.runner import Markers, Memory, Splitter, Step

EOS = 0
FAKE_MODEL = ModelCard("fake-model", 10_000, supports_tools=True)


class WordTemplate:
    """One token a word; `role:` before each message, `answer:` as the generation tail."""

    think_start = "<think>"
    think_end = "</think>"

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self.forgot = 0

    def render(self, conversation: Conversation, *, generation: bool) -> str:
        tools = " ".join(tool["function"]["name"] for tool in conversation.tools)
        lines = [f"{message['role']}: {message['content']} ." for message in conversation.messages]
        return " ".join([*([f"tools: {tools} ."] if tools else []), *lines, *(["answer:"] if generation else [])])

    def encode(self, text: str) -> list[int]:
        return [self._ids.setdefault(word, len(self._ids) + 1) for word in text.split()]

    def forget(self) -> None:
        self.forgot += 1


def marker_splitter(section: str) -> Splitter:
    """Knows `<think>`, `</think>`, `<call>` and `</call>`, each of which comes whole in one piece of text."""
    moves = {"<think>": "reasoning", "</think>": "normal", "<call>": "tool", "</call>": "normal"}
    current = section

    def split(text: str, last: bool) -> list[tuple[str, str]]:
        nonlocal current
        if text in moves:
            ended, current = current, moves[text]
            return [(ended, ""), (current, "")]
        return [(current, text)]

    return split


@dataclass(eq=False)
class _Running:
    kv: list[int]
    waiting: int
    says: Iterator[str]
    left: int


@dataclass(eq=False)
class FakeRunner:
    """`says` gives the pieces of text that answer a prompt, one a token. `prefilled` records every chunk computed.

    cut_back: states can be cut back anywhere; else up to `window` tokens. steps_back: and within the latest chunk.
    """

    says: Callable[[Sequence[int]], Sequence[str]] = lambda prompt: ["Hello", " there"]
    cut_back: bool = True
    window: int = 0
    steps_back: bool = False
    card: ModelCard = FAKE_MODEL
    chat: WordTemplate = field(default_factory=WordTemplate)
    prefilled: list[list[int]] = field(default_factory=list)
    compiled: list[AnswerShape] = field(default_factory=list)
    step_error: Exception | None = None
    prefill_error: Exception | None = None
    rebuilt: int = 0
    memory_now: Memory = field(default_factory=lambda: Memory(0, 1 << 40))
    _running: dict[int, _Running] = field(default_factory=dict)
    _uids: int = 0

    @property
    def markers(self) -> Markers:
        return Markers(marker_splitter, "<call>", "</call>", _parse_call)

    def new_kv(self) -> list[int]:
        return []

    @property
    def cuttable(self) -> bool:
        return self.cut_back

    def fork(self, kv: list[int], length: int | None = None, cut: Cut | None = None) -> list[int]:
        if length is not None and length < len(kv) and not self.trimmable(kv):
            assert cut is not None, "this state cannot be cut back by itself"
            assert cut.state == kv[:length], "a cut fits the length at which it was made"
        return kv[:length]

    def cut(self, kv: list[int], back: int = 0) -> Cut:
        assert not back or (self.steps_back and back < len(self.prefilled[-1])), "so much cannot be taken back"
        return Cut(kv[: len(kv) - back], 1)

    fingerprint = "fake"
    drafted = None

    def save(self, file: Path, kv: list[int], cuts: Mapping[int, Cut] | None, head: Mapping[str, str]) -> None:
        """The head as in a safetensors file, then the state."""
        ends = None if cuts is None else sorted(cuts)
        texts = {f"0.{name}": text for name, text in {**head, "cuts": json.dumps(ends)}.items()}
        written = json.dumps({"__metadata__": texts}).encode()
        file.write_bytes(len(written).to_bytes(8, "little") + written + json.dumps([kv, ends]).encode())

    def load(self, file: Path) -> tuple[list[int], dict[int, Cut] | None]:
        content = file.read_bytes()
        kv, ends = json.loads(content[8 + int.from_bytes(content[:8], "little") :])
        return kv, None if ends is None else {end: Cut(kv[:end], 1) for end in ends}

    def memory(self) -> Memory:
        return self.memory_now

    def trimmable(self, kv: list[int]) -> bool:
        return self.cut_back or len(kv) <= self.window

    def nbytes(self, kv: list[int]) -> int:
        return len(kv)

    def prefill(self, kv: list[int], tokens: Sequence[int]) -> None:
        if self.prefill_error:
            raise self.prefill_error
        self.prefilled.append(list(tokens))
        kv += tokens

    def compile(self, tools: Sequence[dict[str, Any]], shape: AnswerShape) -> None:
        self.compiled.append(shape)

    def start(self, kv: list[int], asked: Generation) -> int:
        prompt = asked.prompt.tokens
        assert kv == list(prompt[:-1]), "the state must hold all of the prompt but its last token"
        self._uids += 1
        self._running[self._uids] = _Running(list(kv), prompt[-1], iter(self.says(prompt)), asked.max_tokens)
        return self._uids

    def step(self) -> list[Step]:
        if self.step_error:
            raise self.step_error
        return [self._advance(uid, running) for uid, running in list(self._running.items())]

    def _advance(self, uid: int, running: _Running) -> Step:
        running.kv.append(running.waiting)
        running.left -= 1
        text = next(running.says, None)
        running.waiting = EOS if text is None else hash(text) % 1000 + 1000
        if text is not None and running.left:
            return Step(uid, text)
        del self._running[uid]
        return Step(uid, text or "", "length" if text is not None else "stop", running.kv, list(running.kv))

    def drop(self, uid: int) -> tuple[list[int], list[int]]:
        running = self._running.pop(uid)
        return running.kv, list(running.kv)

    def rebuild(self) -> None:
        self.rebuilt += 1
        self._running.clear()

    def close(self) -> None:
        self._running.clear()


def _parse_call(text: str, tools: list[dict[str, Any]] | None) -> dict[str, Any]:
    """`name city`, or raises."""
    name, city = text.split()
    return {"name": name, "arguments": {"city": city}}


def generation(tokens: Sequence[int], *, max_tokens: int = 100, system_end: int = 0, **fields: Any) -> Generation:
    """A request whose stable end is all but its last token, as if the generation tail were one token."""
    prompt = Prompt(tuple(tokens), system_end, max(len(tokens) - 1, 0))
    return Generation(prompt, max_tokens, **fields)
