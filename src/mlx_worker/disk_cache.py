"""The disk tier: computed prefixes in files, found again after a restart. Knows files, not arrays.

A file is written whole under another name, then renamed. Its own name is the digest of its content, so that one that
was damaged is known before it is read, and dropped. Files lie in a folder for each fingerprint (model, template,
quantisation), since a state means something to the model that made it alone; the quota is for all of them, and what
was used longest ago goes first.

Files hold prompts, token by token: the folder is the user's own (0700), and so is every file (0600).
"""

import base64
import errno
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from mlx_worker.prefix_cache import PrefixCache
from mlx_worker.prefix_entry import Cut, Entry, Hit, Kind, unpack

log = logging.getLogger("mlx_worker")

SUFFIX: Final = ".safetensors"
SHORTEST: Final = 256
"""Tokens: less is computed again sooner than it is read."""

AGAIN_SECONDS: Final = 60.0
"""After a file could not be written. A state of gigabytes is not tried twice a second on a full disk."""

_LARGEST_HEADER: Final = 64 * 1024 * 1024
_MOST_FILES: Final = 4096

Save = Callable[[Path, Any, Mapping[int, Cut] | None, Mapping[str, str]], None]
"""(file, state, cuts, texts to keep in the file's head), to which it adds `cuts`, their lengths as a JSON list."""

Load = Callable[[Path], tuple[Any, Mapping[int, Cut] | None]]


class DiskCache:
    """One model's files. save, load: of the runner, which knows arrays. clock: seconds that never go back. Raises
    OSError for a folder that is none."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        fingerprint: str,
        save: Save,
        load: Load,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._all = folder
        self._folder = folder / fingerprint
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (self._all, self._folder):
            _check_ours(each)
        self._fingerprint = fingerprint
        self._save, self._load = save, load
        self._quota = max_bytes
        self._clock, self._failed = clock, -AGAIN_SECONDS
        self._index: PrefixCache[Path] = PrefixCache(max_bytes, _MOST_FILES)
        self._index.dropped = lambda entry: entry.kv.unlink(missing_ok=True)
        for file in _oldest_first(self._folder.glob(f"*{SUFFIX}")):
            self._enter(file)
        self._make_room(0)

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[Entry[Path]]:
        return iter(self._index)

    @property
    def nbytes(self) -> int:
        return self._index.figures().nbytes

    def has(self, entry: Entry[Any]) -> bool:
        """Whether a file holds this prefix, or a longer one that serves as well."""
        known = self._index.peek([*entry.tokens, 0])
        return known is not None and known.length == len(entry)

    def wants(self, entry: Entry[Any]) -> bool:
        """Whether it is worth a file and fits the quota, and files can be written as far as is known."""
        if self._clock() < self._failed + AGAIN_SECONDS:
            return False
        return len(entry) >= SHORTEST and entry.nbytes < self._quota and not self.has(entry)

    def put(self, entry: Entry[Any]) -> None:
        """Write an entry. A full disk costs the file, nothing else."""
        temporary = self._folder / f".{os.getpid()}.tmp{SUFFIX}"
        try:
            self._make_room(entry.nbytes)
            self._save(temporary, entry.kv, entry.cuts, self._head(entry))
            temporary.chmod(0o600)
            file = self._folder / f"{_digest(temporary)}{SUFFIX}"
            temporary.replace(file)
        except (OSError, RuntimeError) as error:  # mlx tells a full disk as a RuntimeError
            log.warning("a prefix could not be written to %s: %s", self._folder, error)
            temporary.unlink(missing_ok=True)
            self._failed = self._clock()
            return
        self._enter(file)

    def find(self, tokens: Sequence[int], longer_than: int) -> Hit[Path] | None:
        """The file that serves a prompt best, if by enough more than what is in memory to be worth reading."""
        hit = self._index.peek(tokens)
        return hit if hit is not None and hit.length >= longer_than + SHORTEST else None

    def take(self, entry: Entry[Path]) -> tuple[Any, Mapping[int, Cut] | None] | None:
        """What a file holds; None, and the file is gone, when it is not what it was."""
        file = entry.kv
        try:
            if _digest(file) != file.name.removesuffix(SUFFIX):
                raise ValueError("its content has changed")
            taken = self._load(file)
            os.utime(file)
        except Exception as error:  # whatever is wrong with a file, the prompt can be computed instead
            log.warning("dropped the damaged file %s: %s", file.name, error)
            self._index.remove(entry)
            return None
        return taken

    def clear(self) -> None:
        """Remove every file of this model."""
        for entry in list(self._index):
            self._index.remove(entry)

    def _head(self, entry: Entry[Any]) -> dict[str, str]:
        packed = base64.b64encode(entry.packed).decode()
        head = {"fingerprint": self._fingerprint, "kind": entry.kind, "tokens": packed}
        return head | ({"session": entry.session} if entry.session else {})

    def _enter(self, file: Path) -> None:
        try:
            head = read_head(file)
            if head["fingerprint"] != self._fingerprint:
                raise ValueError("it was made by another model")
            ends = json.loads(head["cuts"])
            self._index.store(
                unpack(base64.b64decode(head["tokens"])),
                file,
                nbytes=file.stat().st_size,
                kind=_kind(head["kind"]),
                cuts=None if ends is None else {int(end): Cut(None, 0) for end in ends},
                session=head.get("session"),
            )
        except Exception as error:  # whatever is wrong with a file, it is of no use
            log.warning("dropped the file %s, which is no computed prefix: %s", file.name, error)
            file.unlink(missing_ok=True)

    def _make_room(self, nbytes: int) -> None:
        """Keep all models' files within the quota, this one's newest longest."""
        files = [file for file in self._all.glob(f"*/*{SUFFIX}") if not file.name.startswith(".")]
        surplus = sum(map(_size, files)) + nbytes - self._quota
        for file in _oldest_first(file for file in files if file.parent != self._folder):
            if surplus <= 0:
                return
            surplus -= _size(file)
            file.unlink(missing_ok=True)
        if surplus > 0:
            self._index.shrink(max(self.nbytes - surplus, 0))


def read_head(file: Path) -> dict[str, str]:
    """The texts in a safetensors file's head (eight bytes of length, then JSON), as `save_prompt_cache` of mlx-lm keeps
    them. Raises ValueError, KeyError and OSError."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 0 < length <= _LARGEST_HEADER:
            raise ValueError("it has no head")
        texts = json.loads(opened.read(length))["__metadata__"]
    return {key.removeprefix("0."): text for key, text in texts.items() if key.startswith("0.")}


def _check_ours(folder: Path) -> None:
    """What others can write, they can make the model believe. Raises PermissionError."""
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others can write there; give a folder that is yours alone", str(folder))


def _kind(text: str) -> Kind:
    kinds: dict[str, Kind] = {"assistant": "assistant", "user": "user", "system": "system"}
    return kinds[text]


def _digest(file: Path) -> str:
    digest = blake2b(digest_size=16)
    with file.open("rb") as opened:
        while piece := opened.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _oldest_first(files: Iterable[Path]) -> list[Path]:
    return sorted(files, key=_age)


def _age(file: Path) -> float:
    with suppress(OSError):
        return file.stat().st_mtime
    return 0.0


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0
