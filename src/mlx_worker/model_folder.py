"""What a folder must hold before mlx-lm is asked to load it, checked without reading the weights."""

import json
import re
import struct
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mlx_worker.errors import ModelLoadError
from mlx_worker.generation import Sampling

_END = 1 << 18  # bytes
MAX_HEADER = 100_000_000  # bytes, the limit of the safetensors format


class ModelUnavailable(ModelLoadError):
    """The model cannot be had. The message is one sentence with the next step."""


def fault(folder: Path) -> str | None:
    """What is wrong with a model folder, to be read after its name; None when it is whole.

    A file of weights that was cut short, by a full disk or a killed download, is found by its size.
    """
    if not (folder / "config.json").is_file():
        return "has no config.json"
    weights = sorted(folder.glob("model*.safetensors"))  # the names that mlx-lm looks for
    if not weights:
        return "has no model*.safetensors (other formats, pickle above all, are not loaded)"
    try:
        missing = _indexed(folder) - {path.name for path in weights}
        cut = [path.name for path in weights if path.stat().st_size != _whole_size(path)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        return f"cannot be read ({type(error).__name__})"
    if missing or cut:
        return f"is not whole ({', '.join(sorted(missing) + cut)})"
    return None


def name_of(folder: Path) -> str:
    """The name to show: `org/model` for a folder of the hub's cache, else the folder's own."""
    cached = re.fullmatch(r"models--(.+?)--(.+)", folder.parent.parent.name)
    if cached and folder.parent.name == "snapshots":
        return f"{cached[1]}/{cached[2]}"
    return folder.name


def sampling_of(folder: Path) -> Sampling:
    """What the model's makers recommend in `generation_config.json`; OpenAI's defaults where they say nothing.

    Claude Code sends no temperature, and at OpenAI's default of 1 small models wander.
    """
    try:
        said = json.loads((folder / "generation_config.json").read_bytes())
    except (OSError, ValueError):
        return Sampling()
    if not isinstance(said, dict):
        return Sampling()
    if said.get("do_sample") is False:
        return Sampling(temperature=0.0)
    known = {name: kind(said[name]) for name, kind in _RECOMMENDED.items() if _is_number(said.get(name))}
    return replace(Sampling(), **known)


_RECOMMENDED = {"temperature": float, "top_p": float, "top_k": int, "min_p": float, "repetition_penalty": float}


def fingerprint_of(folder: Path) -> str:
    """What computed states depend on: all of the small files (configuration, template, tokenizer), and of the weights
    their sizes and their ends, since reading them whole would take as long as loading them."""
    digest = blake2b(digest_size=12)
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".jinja", ".safetensors", ".txt")):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_END))
            file.seek(max(size - _END, 0))
            digest.update(file.read(size if path.suffix != ".safetensors" else _END))
    return digest.hexdigest()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10_000


def _indexed(folder: Path) -> set[str]:
    """The files that the index names; it may be missing where there is one file."""
    index = folder / "model.safetensors.index.json"
    return set(json.loads(index.read_bytes())["weight_map"].values()) if index.is_file() else set()


def _whole_size(path: Path) -> int:
    """What the header of a safetensors file says of the file's size: a length, that much JSON, then the tensors."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > MAX_HEADER:
            raise ValueError(f"{path.name} is no safetensors file")
        header: dict[str, Any] = json.loads(file.read(length))
    ends = (tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
    return 8 + int(length) + max(ends, default=0)
