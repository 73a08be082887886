"""An installation, used as its user does: which modules load, what the commands say, an answer through the proxy."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.support.children import bare_environment
from tests.support.held_upstream import QUESTION
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import proxy_only
from tests.support.script import Says, reply

LACKING = {
    ("mlx_worker", "--help"): "pip install 'anyclaude[worker]'",
    ("anyclaude", "--mode=mlx-cluster", "--proxy-only"): "pip install 'anyclaude[worker]'",
    ("anyclaude", "trace", "serve"): "pip install 'anyclaude[ui]'",
}
"""What commands say where the packages of an extra are not installed."""
_LIMIT = 120.0  # seconds, for a command that takes one or two

_LOAD_ALL = """
import importlib, json, pkgutil, sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # a module that is None is one that is not installed
failed = {}
for package in ("anyclaude", "mlx_worker"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            failed[module.name] = error.name.partition(".")[0]
print(json.dumps(failed))
"""


def behind_extras(failing: Mapping[str, str]) -> dict[str, str]:
    """Those that may lack a package in an installation without extras."""
    return {name: of for name, of in failing.items() if name.startswith(("mlx_worker.", "anyclaude.viewer."))}


@dataclass(frozen=True)
class Installed:
    """folder: where its commands are. home: an empty one, for what they write."""

    folder: Path
    home: Path

    @property
    def python(self) -> Path:
        """The interpreter that its commands run on; pipx gives it an option."""
        shebang = (self.folder / "anyclaude").read_text().partition("\n")[0]
        return Path(shebang.removeprefix("#!").partition(" -")[0])

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._ended([str(self.folder / name), *arguments])

    def failing_modules(self, without: Sequence[str] = ()) -> dict[str, str]:
        """Modules that do not load, with the package that each lacks. without: packages that count as not installed."""
        ended = self._ended([str(self.python), "-I", "-W", "error", "-c", _LOAD_ALL, *without])
        assert ended.returncode == 0, ended.stderr
        failed: dict[str, str] = json.loads(ended.stdout)
        return failed

    async def answers(self) -> str:
        """The text of one answer, from a scripted model server through its proxy."""
        async with OpenAIUpstream() as upstream:
            upstream.script(reply(Says("Installed and well.")))
            program = [str(self.folder / "anyclaude")]
            async with (
                proxy_only(self.home, program=program, LMSTUDIO_URL=upstream.url) as proxy,
                aiohttp.ClientSession(headers={"Authorization": f"Bearer {proxy.token}"}) as client,
            ):
                async with client.get(f"{proxy.url}/health") as health:
                    assert (health.status, (await health.json())["status"]) == (200, "healthy")
                asked = {**QUESTION, "stream": False, "tools": [{"name": "Read", "input_schema": {"type": "object"}}]}
                async with client.post(f"{proxy.url}/v1/messages", json=asked) as answer:
                    [block] = (await answer.json())["content"]
        text: str = block["text"]
        return text

    def _ended(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environ = bare_environment(self.home)
        return subprocess.run(
            command, env=environ, cwd=self.home, capture_output=True, text=True, timeout=_LIMIT, check=False
        )
