"""Settings from flags and environment, with origins, and complaints that name the culprit."""

import pytest

from anyclaude.config.items import Item
from anyclaude.config.load import FLAGS, VARIABLES, environment_items, flag_items, merge, resolve
from anyclaude.config.model import Settings
from anyclaude.errors import SetupError


def test_nothing_given_is_the_default() -> None:
    resolved = resolve({}, {"PATH": "/bin"})
    assert resolved.settings == Settings()
    assert set(resolved.origins.values()) == {"default"}


def test_flags_win_over_the_environment_and_origins_say_so() -> None:
    resolved = resolve({"mode": "mlx-cluster"}, {"ANYCLAUDE_MODE": "claude", "ANYCLAUDE_PORT": "8123"})
    assert (resolved.settings.mode, resolved.settings.port) == ("mlx-cluster", 8123)
    assert resolved.origins["mode"] == "--mode"
    assert resolved.origins["port"] == "ANYCLAUDE_PORT"
    assert resolved.origins["backends.lmstudio.url"] == "default"


def test_a_layer_between_default_and_environment_fits_in() -> None:
    file = [Item(("port",), 1, "file: port"), Item(("backends", "lmstudio", "model"), "from-file", "file: model")]
    resolved = merge([file, environment_items({"ANYCLAUDE_PORT": "2"}), flag_items({})])
    assert (resolved.settings.port, resolved.settings.backends.lmstudio.model) == (2, "from-file")
    assert resolved.origins["backends.lmstudio.model"] == "file: model"


@pytest.mark.parametrize("form", ["1", "true", "TRUE", "yes", "on", "t", "y"])
def test_forms_of_true(form: str) -> None:
    assert resolve({}, {"PROXY_ONLY": form}).settings.proxy_only


@pytest.mark.parametrize("form", ["0", "false", "No", "off", "", "  "])
def test_forms_of_false_and_an_empty_variable(form: str) -> None:
    assert not resolve({}, {"PROXY_ONLY": form}).settings.proxy_only


def test_the_persons_own_way_to_claude() -> None:
    environ = {"ANTHROPIC_BASE_URL": "https://gateway.example/", "ANTHROPIC_API_KEY": "sk-ant-own"}
    claude = resolve({}, environ).settings.backends.claude
    assert claude.url == "https://gateway.example"
    assert claude.api_key is not None
    assert claude.api_key.get_secret_value() == "sk-ant-own"


def test_lm_studio_and_nodes() -> None:
    environ = {
        "LMSTUDIO_URL": " http://h:1/v1/ ",
        "LMSTUDIO_MODEL": "m",
        "LMSTUDIO_API_KEY": "k",
        "MLX_CLUSTER_NODES": '[{"id": "a", "url": "http://a:1", "token": "t"}, {"id": "b", "url": "https://b"}]',
    }
    settings = resolve({}, environ).settings
    assert settings.backends.lmstudio.url == "http://h:1/v1"
    assert settings.backends.lmstudio.api_key.get_secret_value() == "k"
    assert [node.id for node in settings.backends.mlx_cluster.nodes] == ["a", "b"]


@pytest.mark.parametrize(
    ("flags", "environ", "sentence"),
    [
        ({"mode": "gpt"}, {}, "--mode must be one of claude, lmstudio, openrouter, mlx-cluster, not 'gpt'"),
        (
            {},
            {"ANYCLAUDE_MODE": "x"},
            "ANYCLAUDE_MODE must be one of claude, lmstudio, openrouter, ",
        ),
        ({"port": "http"}, {}, "--port must be a whole number from 0 to 65535 (0 picks a free port), not 'http'"),
        ({}, {"ANYCLAUDE_PORT": "65536"}, "ANYCLAUDE_PORT must be a whole number from 0 to 65535 (0 picks a free"),
        ({"port": "-1"}, {}, "--port must be a whole number"),
        ({}, {"PROXY_ONLY": "maybe"}, "PROXY_ONLY must be true or false (also 1/0, yes/no, on/off), not 'maybe'"),
        ({}, {"LMSTUDIO_URL": "localhost:1234"}, "LMSTUDIO_URL must be an http:// or https:// URL, as in http://local"),
        ({}, {"MLX_CLUSTER_NODES": "[{"}, "MLX_CLUSTER_NODES is not JSON ("),
        ({}, {"MLX_CLUSTER_NODES": '{"id": "a"}'}, "MLX_CLUSTER_NODES must be a JSON list, as in [{"),
        ({}, {"MLX_CLUSTER_NODES": '[{"id": "a"}]'}, "MLX_CLUSTER_NODES: entry 1, url is missing"),
        (
            {},
            {"MLX_CLUSTER_NODES": '[{"id": "a", "url": "x"}]'},
            "MLX_CLUSTER_NODES: entry 1, url must be a http",
        ),
        (
            {},
            {"MLX_CLUSTER_NODES": '[{"id":"a","url":"http://x","u":1}]'},
            "MLX_CLUSTER_NODES: entry 1, u is not",
        ),
    ],
)
def test_a_wrong_value_is_one_sentence(flags: dict[str, object], environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SetupError) as caught:
        resolve(flags, environ)
    assert caught.value.message.startswith(sentence)
    assert "\n" not in caught.value.message


def test_a_complaint_never_repeats_what_may_be_secret() -> None:
    for environ in (
        {"LMSTUDIO_URL": "ftp://user:hunter2@host"},
        {"LMSTUDIO_URL": "http://user:hunter2@host/v1"},
        {"LMSTUDIO_URL": "http://host/v1\nhunter2"},
        {"LMSTUDIO_URL": "http://hunter2:99999/v1"},
        {"OPENROUTER_BASE_URL": "https://host/v1?key=hunter2"},
        {"ANTHROPIC_BASE_URL": "https://hunter2@host"},
        {"MLX_CLUSTER_NODES": '[{"id": "a", "url": "http://x", "token": ["hunter2"]}]'},
        {"MLX_CLUSTER_NODES": '[{"id": "a", "token": "hunter2"'},
    ):
        with pytest.raises(SetupError) as caught:
            resolve({}, environ)
        assert "hunter2" not in caught.value.message


def test_every_name_leads_to_a_setting() -> None:
    known = set(resolve({}, {}).origins)
    assert {".".join(path) for paths in (*VARIABLES.values(), *FLAGS.values()) for path in paths} <= known
