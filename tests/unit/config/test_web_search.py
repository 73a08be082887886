"""Who searches the web: from files and environment, with keys that nobody sees."""

import json
from pathlib import Path

import pytest

from anyclaude.backends.search_engines import open_engines
from anyclaude.cli.show_config import table
from anyclaude.config.load import resolve
from anyclaude.config.secrets import secrets_of
from anyclaude.errors import SetupError

KEYS = {"TAVILY_API_KEY": "tvly-0123456789", "BRAVE_API_KEY": "BSA-0123456789"}


def test_the_environment_wins_over_the_file_and_engines_stand_in_their_order(tmp_path: Path) -> None:
    chosen = {"webSearch": {"searxng": "http://localhost:8888/", "tavilyKey": "tvly-of-the-file"}}
    (tmp_path / ".anyclauderc.json").write_text(json.dumps(chosen))
    resolved = resolve({}, KEYS, tmp_path, tmp_path)
    search = resolved.settings.web_search
    assert search.searxng == "http://localhost:8888"
    assert search.tavily_key
    assert search.tavily_key.get_secret_value() == "tvly-0123456789"
    assert [engine.name for engine in open_engines(search)] == ["SearXNG", "Tavily", "Brave"]
    assert resolved.origins["web_search.tavily_key"] == "TAVILY_API_KEY"


def test_nothing_is_configured_by_itself() -> None:
    assert open_engines(resolve({}, {}).settings.web_search) == []


def test_keys_are_masked_and_known_as_secrets() -> None:
    resolved = resolve({}, KEYS)
    shown = table(resolved)
    assert "webSearch.tavilyKey" in shown
    assert not any(key in shown for key in KEYS.values())
    assert set(KEYS.values()) <= secrets_of(resolved.settings, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEARXNG_URL", "localhost:8888"),
        ("SEARXNG_URL", "http://me:secret@localhost"),
        ("SEARXNG_URL", "http://a/?q=secret"),
        ("BRAVE_API_KEY", "two\r\nX-Header: secret"),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SetupError) as error:
        resolve({}, {name: value})
    assert error.value.message.startswith(name)
    assert "secret" not in error.value.message
