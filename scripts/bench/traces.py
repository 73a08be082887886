"""What the index of the traces costs, and what it finds: python scripts/bench/traces.py [--traces N]

Made-up sessions of 50 turns: system prompt and tools of 100 KB, then some 5 KB more with each turn, and all of it twice
in each record, as it came and as it went upstream. The files were just written, so the disk's speed has no part in it.
All is told in CPU time, so that what else runs does not count; what a page waits for is the median of 20.
"""

import argparse
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

import orjson

from anyclaude.trace.index import TraceIndex
from anyclaude.trace.index_file import NAME

TURNS: Final = 50
AGAIN: Final = 20
_BEGAN: Final = 1_780_000_000.0


class Words:
    """Made-up words, some of them much more often than others, as in a language."""

    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)
        letters = "abcdefghijklmnoprstuvw"
        self._words = ["".join(self._source.choices(letters, k=self._source.randint(3, 11))) for _ in range(20_000)]
        self._weights = list(accumulate(1 / rank for rank in range(1, len(self._words) + 1)))

    def text(self, size: int) -> str:
        """About so many characters."""
        return " ".join(self._source.choices(self._words, cum_weights=self._weights, k=size // 7))

    @property
    def common(self) -> str:
        return self._words[20]

    @property
    def rare(self) -> str:
        return self._words[-1]


def write_traces(home: Path, traces: int, words: Words) -> int:
    """Bytes that were written."""
    folder = home / "traces" / "openrouter"
    folder.mkdir(parents=True, mode=0o700)
    tools = [
        {"name": f"Tool{n}", "description": words.text(2500), "input_schema": {"type": "object"}} for n in range(30)
    ]
    head = {"model": "claude-opus-4-8", "system": words.text(20_000), "tools": orjson.Fragment(orjson.dumps(tools))}
    written = 0
    for number in range(traces):
        session, turn = divmod(number, TURNS)
        if turn == 0:
            messages = [_message("user", [{"type": "text", "text": words.text(300)}])]
        at = _BEGAN + session * 1800 + turn * 20
        answer = [_text(words.text(800)), _call(turn, words.text(200))]
        record = _record(number, f"session-{session:05d}", at, head, messages, answer)
        name = f"trace-{time.strftime('%Y%m%d-%H%M%S', time.localtime(at))}-000-{number:08d}.json"
        written += (folder / name).write_bytes(record)
        result = {"type": "tool_result", "tool_use_id": f"toolu_{turn}", "content": words.text(4000)}
        messages += [_message("assistant", answer), _message("user", [result])]
    return written


def _text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def _call(turn: int, command: str) -> dict[str, object]:
    return {"type": "tool_use", "id": f"toolu_{turn}", "name": "Bash", "input": {"command": command}}


def _message(role: str, content: Sequence[Mapping[str, object]]) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps({"role": role, "content": content}))


def _record(
    number: int,
    session: str,
    at: float,
    head: Mapping[str, object],
    messages: Sequence[orjson.Fragment],
    answer: object,
) -> bytes:
    body = {**head, "messages": messages}
    return orjson.dumps(
        {
            "id": f"req_{number:012d}",
            "time": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at)),
            "mode": "openrouter",
            "session": session,
            "agent": None,
            "request": {"path": "/v1/messages", "headers": {"User-Agent": "claude-cli/2.1.197 (cli)"}, "body": body},
            "upstream": [{"at_ms": 2.0, "body": {**body, "model": "z-ai/glm-5"}}],
            "response": {"status": 200, "body": {"stop_reason": "tool_use", "content": answer}},
            "timings_ms": {"accepted": 300.0, "first_event": 900.0, "first_token": 900.0, "end": 4000.0},
            "usage": {"prompt_tokens": 40_000, "cached_tokens": 38_000, "output_tokens": 300, "cost": 0.01},
            "notes": [{"kind": "route", "at_ms": 0.1, "to": "openrouter:z-ai/glm-5", "reason": "main"}],
            "outcome": "complete",
            "error": None,
        }
    )


def measure(home: Path, traces: int, words: Words) -> dict[str, float]:
    """Seconds of CPU time for the whole index, milliseconds for what a page waits for."""
    figures: dict[str, float] = {}
    with TraceIndex(home) as index:
        before = time.process_time()
        while left := index.refresh(1.0):
            print(f"\r{left} left   ", end="", file=sys.stderr)
        figures["build_s"] = time.process_time() - before
        assert index.count() == traces
        last = index.turns(index.sessions(1)[0].id)[-1]
        asked: dict[str, Callable[[], object]] = {
            "refresh_nothing_new_ms": index.refresh,
            "page_of_50_sessions_ms": index.sessions,
            "turns_of_a_session_ms": lambda: index.turns(last.session),
            "turn_and_the_one_before_ms": lambda: index.before(index.turn(last.id) or last),
            "record_of_a_turn_ms": lambda: index.read(last),
            "prompts_ms": index.prompts,
            "search_common_word_ms": lambda: index.search(words.common),
            "search_rare_word_ms": lambda: index.search(words.rare),
            "search_beginning_ms": lambda: index.search("a"),
            "search_two_words_ms": lambda: index.search(f"{words.common} {words.rare}"),
        }
        figures |= {name: _median_ms(ask) for name, ask in asked.items()}
        figures["index_mb"] = (home / "traces" / NAME).stat().st_size / 1e6
        figures |= _pruned(home, index, traces // 10)
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return figures


def _pruned(home: Path, index: TraceIndex, traces: int) -> dict[str, float]:
    for file in sorted((home / "traces" / "openrouter").iterdir())[:traces]:
        file.unlink()
    before = time.process_time()
    while index.refresh():
        pass
    return {"forget_a_tenth_s": time.process_time() - before}


def _median_ms(ask: Callable[[], object]) -> float:
    took = []
    for _ in range(AGAIN):
        began = time.process_time()
        ask()
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where there is room for them (500 KB each)")
    given = parser.parse_args()
    words = Words(1)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        home = Path(folder)
        written = write_traces(home, given.traces, words)
        figures = {"traces": given.traces, "traces_mb": written / 1e6, **measure(home, given.traces, words)}
    print(json.dumps({name: round(figure, 2) for name, figure in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
