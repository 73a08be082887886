"""The tokens of a request, as the upstream counted them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyclaude.trace.parts import mapping, number


@dataclass(frozen=True, slots=True)
class Tokens:
    """prompt: all of it, `cached` of them not computed again."""

    prompt: int | None
    cached: int | None
    output: int | None

    @property
    def computed(self) -> int | None:
        return None if self.prompt is None or self.cached is None else max(0, self.prompt - self.cached)


def tokens_of(record: Mapping[str, Any]) -> Tokens:
    """Our own counts, where a backend of ours told them; else Anthropic's, which has what it read from and wrote to the
    cache beside the input.
    """
    usage = mapping(record.get("usage"))
    cached = count(usage, "cached_tokens", "cache_read_input_tokens")
    prompt = count(usage, "prompt_tokens")
    if prompt is None and (beside := count(usage, "input_tokens")) is not None:
        prompt = beside + (cached or 0) + (count(usage, "cache_creation_input_tokens") or 0)
    return Tokens(prompt, cached, count(usage, "output_tokens"))


def count(usage: Mapping[str, Any], *names: str) -> int | None:
    """The first of these that is a count; None where none is."""
    counts = (number(usage.get(name), int) for name in names)
    return next((count for count in counts if count is not None and count >= 0), None)
