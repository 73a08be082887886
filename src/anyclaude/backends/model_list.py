"""OpenRouter's list of models: fetched, kept on disk for some hours, and read as profiles.

The list says what each model takes, so it decides what is sent. It is public, and half a megabyte: a copy on disk saves
that at each launch, and when the network fails an old one is better than none.
Source of the fields: https://openrouter.ai/docs/api-reference/list-available-models
"""

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from anyclaude.backends.base import ModelInfo
from anyclaude.backends.http import Upstream
from anyclaude.convert.profile import Profile
from anyclaude.errors import UpstreamError
from anyclaude.wire.json import decode_lenient, encode

FILE: Final = Path("cache", "openrouter-models.json")
_ASK: Final = 20.0  # seconds
_LARGEST: Final = 32 * 1024 * 1024
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe in its place must not keep a launch waiting
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

Entry = Mapping[str, Any]


class ModelList:
    """Entries by model id. home: the folder whose `cache` holds the copy. hours: for how long that is fresh."""

    def __init__(self, upstream: Upstream, home: Path, hours: float) -> None:
        self._upstream = upstream
        self._file = home.expanduser() / FILE
        self._seconds = hours * 3600
        self.entries: dict[str, Entry] = {}

    def load(self) -> bool:
        """Take the copy on disk, whatever its age, and say whether it is fresh."""
        kept = _read(self._file)
        if kept is None or kept.get("url") != self._upstream.base_url:
            return False
        self.entries = entries_of(kept.get("models"))
        fetched = kept.get("fetched")
        age = time.time() - fetched if isinstance(fetched, int | float) else None
        return bool(self.entries) and age is not None and 0 <= age < self._seconds

    async def refresh(self) -> None:
        """Fetch the list unless the copy is fresh. Raises UpstreamError when there is neither."""
        if self.load():
            return
        try:
            models = await self._upstream.get("models", _ASK)
        except UpstreamError:
            if not self.entries:
                raise
            return
        self.entries = entries_of(models) or self.entries
        kept = {"fetched": int(time.time()), "url": self._upstream.base_url, "models": models}
        with suppress(OSError):  # a full or read-only disk costs the next launch a second
            _write(self._file, encode(kept))


def entries_of(models: object) -> dict[str, Entry]:
    """The entries of a `/models` answer that have an id."""
    listed = models.get("data") if isinstance(models, Mapping) else None
    found = listed if isinstance(listed, list) else []
    return {one["id"]: one for one in found if isinstance(one, Mapping) and isinstance(one.get("id"), str)}


def model_of(entry: Entry) -> ModelInfo:
    """What is offered."""
    taken = _texts(entry, "supported_parameters")
    tools = "tools" in taken if taken else None
    images = "image" in inputs if (inputs := _texts(entry, "architecture", "input_modalities")) else None
    return ModelInfo(entry["id"], _tokens(entry, "context_length"), tools, images, price=_price(entry))


def profile_of(entry: Entry, profile: Profile) -> Profile:
    """The profile with what the list says of one model; what it does not say stays as it is."""
    taken, efforts = _texts(entry, "supported_parameters"), _texts(entry, "reasoning", "supported_efforts")
    known = model_of(entry)
    return replace(
        profile,
        tools=known.tools is not False,
        images=known.images is not False,
        response_format=not taken or bool({"response_format", "structured_outputs"} & set(taken)),
        efforts=tuple(effort for effort in _EFFORTS if effort in efforts),
        reasoning_mandatory=_at(entry, "reasoning", "mandatory") is True,
        cache_breakpoints=4 if _marks_caches(entry) else 0,
        context_window=known.context_window,
        max_output=_tokens(entry, "top_provider", "max_completion_tokens"),
        parameters=frozenset(taken) if taken else None,
    )


def names_of(model: str, entry: Entry | None) -> frozenset[str]:
    """What an answer of the model calls it: the name that was asked for, or the lasting one, with a variant or without.

    Source: `canonical_slug` of the list, as in anthropic/claude-4.5-sonnet-20250929 for anthropic/claude-sonnet-4.5.
    """
    lasting = _at(entry, "canonical_slug")
    named = [model, lasting] if isinstance(lasting, str) else [model]
    return frozenset(name for one in named for name in (one, one.partition(":")[0]))


def _marks_caches(entry: Entry) -> bool:
    """Anthropic's models, and those of Alibaba that have a price for writing, cache only what is marked."""
    alibaba = entry["id"].startswith("qwen/") and _at(entry, "pricing", "input_cache_write") is not None
    return alibaba or entry["id"].startswith("anthropic/")


def _price(entry: Entry) -> str | None:
    """Dollars for a million tokens; the list has strings, for one."""
    try:
        read, written = (float(str(_at(entry, "pricing", name))) * 1e6 for name in ("prompt", "completion"))
    except ValueError:
        return None
    return f"${read:.2f} in, ${written:.2f} out per million tokens" if read or written else "free of charge"


def _at(entry: object, *names: str) -> Any:
    for name in names:
        entry = entry.get(name) if isinstance(entry, Mapping) else None
    return entry


def _texts(entry: Entry, *names: str) -> list[str]:
    found = _at(entry, *names)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _tokens(entry: Entry, *names: str) -> int | None:
    value = _at(entry, *names)
    return value if isinstance(value, int) and value > 0 else None


def _read(file: Path) -> dict[str, Any] | None:
    try:
        with open(os.open(file, _READ), "rb") as opened:
            kept = decode_lenient(opened.read(_LARGEST))
    except OSError:
        return None
    return kept if isinstance(kept, dict) else None


def _write(file: Path, body: bytes) -> None:
    """In one step, so that no other launch reads half of it; only for the user's own eyes."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)  # mode 0600
    try:
        with os.fdopen(opened, "wb") as written:
            written.write(body)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
