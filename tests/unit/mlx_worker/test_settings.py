from pathlib import Path

import pytest
from pydantic import ValidationError

from mlx_worker.settings import Settings, SettingsError


def test_defaults_are_loopback_and_bounded() -> None:
    settings = Settings.from_environment({})
    assert (settings.host, settings.port, settings.max_queue, settings.cache_entries) == ("127.0.0.1", 8081, 64, 256)
    assert settings.token is None


def test_every_variable_is_read(tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.mkdir()
    (draft / "config.json").touch()
    settings = Settings.from_environment(
        {
            "MLX_MODEL_PATH": "org/name",
            "MLX_HOST": "::1",
            "MLX_PORT": "0",
            "MLX_WORKER_TOKEN": "secret",
            "MLX_ALLOWED_HOSTS": "studio.local, mini.local",
            "MLX_MAX_QUEUE": "3",
            "MLX_MAX_BATCH": "2",
            "MLX_PREFILL_CHUNK": "128",
            "MLX_CACHE_BYTES": "1000",
            "MLX_CACHE_SIZE": "5",
            "MLX_DISK_CACHE_DIR": "/cache",
            "MLX_DISK_CACHE_BYTES": "7",
            "MLX_KV_BITS": "8",
            "MLX_DRAFT_MODEL": str(draft),
            "MLX_DRAIN_SECONDS": "2.5",
            "MLX_LOG_LEVEL": "Warning",
        }
    )
    assert settings.model_dump(exclude={"token"}) == {
        "model_path": "org/name",
        "host": "::1",
        "port": 0,
        "allowed_hosts": ("studio.local", "mini.local"),
        "max_queue": 3,
        "max_batch": 2,
        "prefill_chunk": 128,
        "cache_bytes": 1000,
        "cache_entries": 5,
        "disk_cache_dir": Path("/cache"),
        "disk_cache_bytes": 7,
        "kv_bits": 8,
        "draft_model": draft,
        "drain_seconds": 2.5,
        "announce": False,
        "log_level": "warning",
    }
    assert settings.token is not None
    assert settings.token.get_secret_value() == "secret"


def test_empty_means_unset() -> None:
    assert Settings.from_environment({"MLX_PORT": " ", "MLX_MODEL_PATH": ""}) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLX_PORT", "eighty"),
        ("MLX_PORT", "65536"),
        ("MLX_MAX_QUEUE", "0"),
        ("MLX_PREFILL_CHUNK", "-5"),
        ("MLX_CACHE_BYTES", "4GB"),
        ("MLX_CACHE_SIZE", "-1"),
        ("MLX_DISK_CACHE_BYTES", "-1"),
        ("MLX_DISK_CACHE_DIR", "cache"),
        ("MLX_KV_BITS", "6"),
        ("MLX_DRAFT_MODEL", "/no/such/model"),
        ("MLX_DRAFT_MODEL", "draft"),
        ("MLX_DRAIN_SECONDS", "inf"),
        ("MLX_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_one_sentence_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environment({name: value})
    assert str(error.value).startswith(f"{name} is not usable: ")
    assert "\n" not in str(error.value)


def test_settings_are_frozen_and_keep_the_token_out_of_sight() -> None:
    settings = Settings.from_environment({"MLX_WORKER_TOKEN": "secret"})
    with pytest.raises(ValidationError):
        settings.port = 1
    assert "secret" not in repr(settings)
