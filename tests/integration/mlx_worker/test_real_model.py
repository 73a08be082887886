"""SmolLM2 as this machine gets it: fetched, converted, and it knows the capital of France."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlx_worker.blas import preload_environment
from mlx_worker.model_folder import fault

ASK = """
import json, sys
from mlx_lm import load, stream_generate
from mlx_worker import blas
model, tokenizer = load(sys.argv[1])
question = [{"role": "user", "content": "What is the capital of France?"}]
prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True)
parts = list(stream_generate(model, tokenizer, prompt, max_tokens=40))
report = blas.report()
print(json.dumps({"text": "".join(part.text for part in parts), "reason": parts[-1].finish_reason,
                  "fast": report.fast, "could_be_fast": blas.find_library() is not None}))
"""


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.CompletedProcess[str]]:
    """`--fetch-only` with an empty cache. The 540 MB do not outlive the tests."""
    cache = tmp_path_factory.mktemp("cache")
    done = subprocess.run(
        [sys.executable, "-m", "mlx_worker", "--fetch-only"],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    yield done
    shutil.rmtree(cache)


@pytest.mark.skipif(sys.platform != "linux", reason="a Mac's default model is gigabytes from a hub")
class TestSmolLM2:
    def test_the_folder_is_printed_and_whole(self, fetched: subprocess.CompletedProcess[str]) -> None:
        assert fetched.returncode == 0, fetched.stderr
        folder = Path(fetched.stdout.removesuffix("\n"))
        assert fault(folder) is None
        assert json.loads((folder / "config.json").read_text())["max_position_embeddings"] == 8192

    def test_the_work_is_told_on_stderr(self, fetched: subprocess.CompletedProcess[str]) -> None:
        lines = [line for line in fetched.stderr.splitlines() if not line.endswith(" so far")]
        assert lines[-2:-1] == ["model: converting SmolLM2-135M-Instruct for MLX"]
        assert lines[-1].startswith("model: converted in ")

    def test_it_knows_the_capital_of_france(self, fetched: subprocess.CompletedProcess[str]) -> None:
        """Wrong rows, types or tokens would load just as well, and talk nonsense."""
        done = subprocess.run(
            [sys.executable, "-c", ASK, fetched.stdout.removesuffix("\n")],
            env=os.environ | preload_environment(),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert "Paris" in said["text"]
        assert said["reason"] == "stop"
        assert said["fast"] == said["could_be_fast"]
