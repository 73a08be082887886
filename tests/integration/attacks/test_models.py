"""A folder of a model is a stranger's too: no code of it is run, and no request leads to another one."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from jinja2.exceptions import TemplateError

from mlx_worker.errors import ModelLoadError
from mlx_worker.generation import Conversation
from mlx_worker.mlx_engine import load_model, load_runner
from mlx_worker.model_folder import fault
from mlx_worker.models import resolve
from tests.support import tiny_model
from tests.support.children import REPOSITORY

_RUNS: Final = "import pathlib\npathlib.Path({marker!r}).touch()\nclass Model: ...\nclass ModelArgs: ...\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model.build(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "evil"
    shutil.copytree(whole, copy)
    return copy


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "ran"
    yield path
    assert not path.exists(), "code of the model's folder was run"


def _changed(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _program(folder: Path, marker: Path) -> None:
    for name in ("evil.py", "modeling_evil.py", "tokenization_evil.py", "tokenizer.py", "sitecustomize.py"):
        (folder / name).write_text(_RUNS.format(marker=str(marker)))


def _a_model_of_its_own(folder: Path) -> None:
    _changed(folder / "config.json", model_file="evil.py")


def _a_model_in_auto_map(folder: Path) -> None:
    own = {"AutoConfig": "modeling_evil.ModelArgs", "AutoModelForCausalLM": "modeling_evil.Model"}
    _changed(folder / "config.json", auto_map=own, model_type="evil", trust_remote_code=True)


def _a_type_that_is_a_path(folder: Path) -> None:
    _changed(folder / "config.json", model_type="....evil")


def _a_type_of_another_package(folder: Path) -> None:
    _changed(folder / "config.json", model_type="../../evil")


@pytest.mark.parametrize(
    "change", [_a_model_of_its_own, _a_model_in_auto_map, _a_type_that_is_a_path, _a_type_of_another_package]
)
def test_a_model_that_brings_code_is_refused(change: Callable[[Path], None], folder: Path, marker: Path) -> None:
    _program(folder, marker)
    change(folder)
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        load_model(folder)


def test_a_tokenizer_that_brings_code_is_one_without_it_or_refused(folder: Path, marker: Path) -> None:
    _program(folder, marker)
    own = {"AutoTokenizer": ["tokenization_evil.Evil", "tokenization_evil.Evil"]}
    _changed(folder / "tokenizer_config.json", auto_map=own, tokenizer_class="Evil", trust_remote_code=True)
    with suppress(ModelLoadError):
        load_model(folder)


@pytest.mark.parametrize("parser", ["evil", "..models.evil", "os", "../../evil"])
def test_a_parser_of_calls_that_is_named_like_a_program(parser: str, folder: Path, marker: Path) -> None:
    _program(folder, marker)
    _changed(folder / "tokenizer_config.json", tool_parser_type=parser)
    with suppress(ModelLoadError):
        load_model(folder)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('touch MARKER') }}",
        "{{ lipsum.__globals__['os'].popen('touch MARKER').read() }}",
        "{{ messages[0].update({'role': 'x'}) }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_a_template_that_reaches_for_the_system_renders_nothing(template: str, folder: Path, marker: Path) -> None:
    """In Jinja's sandbox, in which nothing reaches beyond the conversation or changes it."""
    written = template.replace("MARKER", str(marker))
    for path in (folder / "chat_template.jinja", folder / "tokenizer_config.json"):
        if path.suffix == ".jinja":
            path.write_text(written)
        else:
            _changed(path, chat_template=written)
    runner = load_runner(folder)
    assert not runner.card.supports_tools
    with pytest.raises((TemplateError, TypeError)):
        runner.chat.render(Conversation([{"role": "user", "content": "hi"}]), generation=True)


def test_pickles_and_other_formats_are_no_models(whole: Path, tmp_path: Path) -> None:
    for name in ("pytorch_model.bin", "model.pt", "model.pkl", "weights.npz", "model.gguf", "model.ckpt"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(whole / "config.json", folder)
        (folder / name).write_bytes(b"\x80\x04cposix\nsystem\n(S'touch ran'\ntR.")
        assert "no model*.safetensors" in (fault(folder) or "")


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc", "org/../../etc", "/etc/passwd", "file:///etc", "https://evil.example/x", "a b/c"),
        *("org/name/more", "org/.hidden/..", "~nobody-of-that-name/x", "-rf/x", "org/name@main"),
    ],
)
def test_what_is_no_model_is_one_sentence_and_no_fetch(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """MLX_MODEL_PATH and --model are the person's; what is neither a folder nor `org/name` is fetched from nowhere."""
    fetched: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlx_worker.models._stored", lambda model: None)
    monkeypatch.setattr("mlx_worker.models._fetched", lambda model, progress: fetched.append(model))
    with pytest.raises(ModelLoadError) as raised:
        resolve(name)
    assert "\n" not in str(raised.value)
    assert fetched == []


def test_nothing_trusts_code_or_reads_pickles() -> None:
    sources = list((REPOSITORY / "src").rglob("*.py"))
    said = [found for path in sources for found in re.findall(r"trust_remote_code\W+(\w+)", path.read_text())]
    assert set(said) == {"False"}
    unsafe = re.compile(
        r"^\s*(?:import|from) (?:pickle|marshal|shelve|dill|joblib|torch)\b|\bpickle\.|allow_pickle|"
        r"(?<![.\w])(?:eval|exec|__import__)\(|yaml\.load\(|os\.system\(|shell=True",
        re.MULTILINE,
    )
    assert [(path.name, found[0]) for path in sources if (found := unsafe.search(path.read_text()))] == []
