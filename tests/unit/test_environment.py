import os
from collections.abc import Iterator

import pytest

STEERING = ("ANTHROPIC_API_KEY", "ANYCLAUDE_MODE", "LMSTUDIO_URL", "MLX_PORT", "HTTPS_PROXY", "http_proxy", "no_proxy")


@pytest.fixture(scope="module", autouse=True)
def machine_with_settings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in STEERING:
            patch.setenv(name, "of this machine")
        yield


@pytest.mark.parametrize("name", STEERING)
def test_no_test_sees_the_settings_of_its_machine(name: str) -> None:
    assert name not in os.environ


def test_the_rest_of_the_environment_stays() -> None:
    assert "PATH" in os.environ
