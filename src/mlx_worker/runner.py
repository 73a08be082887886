"""What the engine thread asks of a model: the whole border between scheduling (ours) and arrays (mlx's).

Every method is called on the engine thread, the thread that made the runner. `chat` and `compile` alone may be
called from others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from mlx_worker.call_reader import CallReader
from mlx_worker.engine import Drafted, ModelCard
from mlx_worker.events import TokenLogprob
from mlx_worker.generation import AnswerShape, Generation
from mlx_worker.prefix_entry import Cut
from mlx_worker.prompts import ChatTemplate

EndReason = Literal["stop", "length"]

Splitter = Callable[[str, bool], list[tuple[str, str]]]
"""(text, last) -> [(section, text)]: cuts the model's text at its markers, which it removes.

Sections are `normal`, `reasoning` and `tool`. Text that might be the start of a marker is held back until `last`.
"""

LiveCall = Callable[[Sequence[dict[str, Any]]], CallReader | None]


@dataclass(frozen=True, slots=True)
class Markers:
    """How a model's text is read. `parse_tool(text, tools)` gives one call or several, or raises.

    `live_call(tools)` reads a call that a grammar holds, as it grows. None, or if it gives None: when it is whole.
    """

    splitter: Callable[[str], Splitter]
    tool_start: str
    tool_end: str
    parse_tool: Callable[[str, list[dict[str, Any]] | None], Any] | None
    live_call: LiveCall | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One generated token of one sequence. With `end`, `tokens` and `kv` are the whole of what was computed.

    held: a grammar held the token to the format of a call or the shape of the answer. logprob: where it was asked for.
    """

    uid: int
    text: str
    end: EndReason | None = None
    kv: Any = None
    tokens: Sequence[int] = ()
    held: bool = False
    logprob: TokenLogprob | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that the model and everything computed take, and how many they may."""

    used: int
    limit: int


class RunnerLost(BaseException):
    """Raised by any call: nothing can be computed any more, for no request. The message is one sentence.

    Not an Exception: nobody on the way to the engine's thread may take it for one request's failure.
    """


class Runner(Protocol):
    @property
    def card(self) -> ModelCard: ...

    @property
    def chat(self) -> ChatTemplate: ...

    @property
    def markers(self) -> Markers: ...

    def new_kv(self) -> Any:
        """The state of nothing computed."""
        ...

    @property
    def cuttable(self) -> bool:
        """Whether states can be cut back to any length, however long they have grown."""
        ...

    def fork(self, kv: Any, length: int | None = None, cut: Cut | None = None) -> Any:
        """A copy that may be written to, cut back to `length` tokens when given, with the cut that was made there."""
        ...

    def trimmable(self, kv: Any) -> bool:
        """Whether this state can be cut back to any length as it is."""
        ...

    @property
    def steps_back(self) -> bool:
        """Whether `cut` takes tokens back."""
        ...

    def cut(self, kv: Any, back: int = 0) -> Cut:
        """A copy of what cannot be cut back in a state, as it is now; where the model `steps_back`, also as it was
        before the last `back` tokens of the latest prefill, but not before all of them."""
        ...

    def nbytes(self, kv: Any) -> int:
        """Of a whole state."""
        ...

    @property
    def fingerprint(self) -> str:
        """What a state depends on, as a file name: the model's files, its template, how states are kept."""
        ...

    def save(self, file: Path, kv: Any, cuts: Mapping[int, Cut] | None, head: Mapping[str, str]) -> None:
        """Write a state. Raises OSError and RuntimeError."""
        ...

    def load(self, file: Path) -> tuple[Any, Mapping[int, Cut] | None]:
        """What `save` wrote. Raises anything for a file that it did not write."""
        ...

    def memory(self) -> Memory: ...

    @property
    def drafted(self) -> Drafted | None:
        """What a draft model was good for, None without one. May be asked from any thread."""
        ...

    def prefill(self, kv: Any, tokens: Sequence[int]) -> None:
        """Compute tokens into `kv`. Evaluated when it returns."""
        ...

    def compile(self, tools: Sequence[dict[str, Any]], shape: AnswerShape) -> None:
        """Make the grammar of such answers ready. Slow when it is new; may be called from any thread, before `start`,
        which else does it."""
        ...

    def start(self, kv: Any, asked: Generation) -> int:
        """Begin to decode. All but the last token of the prompt is in `kv`, which is not written to. Returns a uid."""
        ...

    def step(self) -> list[Step]:
        """One token for every sequence that decodes."""
        ...

    def drop(self, uid: int) -> tuple[Any, Sequence[int]]:
        """Stop decoding; returns the state and the tokens computed in it."""
        ...

    def rebuild(self) -> None:
        """Forget every sequence, after a step has failed."""
        ...

    def close(self) -> None: ...
