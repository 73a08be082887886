"""What others have set is told by name, never by value."""

import json
from pathlib import Path

import pytest

from anyclaude.diagnosis.conflicts import environment, proxies, settings_files
from anyclaude.diagnosis.findings import Finding, exit_code, of_error, softened
from anyclaude.errors import SetupError

CANARY = "sk-canary-4711"


def test_a_variable_that_leads_elsewhere_is_named_without_its_value() -> None:
    (found,) = environment({"ANTHROPIC_BASE_URL": CANARY, "CLAUDE_CODE_USE_BEDROCK": "1", "PATH": "/bin"})
    assert found.status == "warning"
    assert "ANTHROPIC_BASE_URL, CLAUDE_CODE_USE_BEDROCK" in found.said
    assert found.next_step
    assert found.next_step.startswith("run `unset ANTHROPIC_BASE_URL")
    assert CANARY not in repr(found)
    assert environment({"PATH": "/bin"})[0].status == "ok"


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({}, "ok"),
        ({"https_proxy": "http://p:1"}, "warning"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "localhost"}, "warning"),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "localhost, 127.0.0.1"}, "ok"),
        ({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "*"}, "ok"),
    ],
)
def test_a_proxy_must_leave_this_machine_out(environ: dict[str, str], status: str) -> None:
    assert [found.status for found in proxies(environ)] == [status]


def test_settings_files_are_read_and_their_values_kept_back(tmp_path: Path) -> None:
    user, project = tmp_path / "user", tmp_path / "project"
    for folder in (user / ".claude", project / ".claude"):
        folder.mkdir(parents=True)
    own = {"env": {"ANTHROPIC_API_KEY": CANARY, "EDITOR": "vi"}, "apiKeyHelper": f"echo {CANARY}"}
    (user / ".claude/settings.json").write_text(json.dumps(own))
    (project / ".claude/settings.local.json").write_text("{")
    found = settings_files(user, project, {})
    assert [each.status for each in found] == ["warning"] * 3
    assert "sets ANTHROPIC_API_KEY in `env`" in found[0].said
    assert "apiKeyHelper" in found[1].said
    assert "is not JSON" in found[2].said
    assert CANARY not in repr(found)
    assert "EDITOR" not in repr(found)


def test_a_moved_settings_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"env": {"CLAUDE_CODE_USE_VERTEX": "1"}}')
    (found,) = settings_files(tmp_path / "no", tmp_path / "no", {"CLAUDE_CONFIG_DIR": str(tmp_path)})
    assert "CLAUDE_CODE_USE_VERTEX" in found.said
    assert settings_files(tmp_path / "no", tmp_path / "no", {})[0].status == "ok"


def test_an_error_divides_into_what_is_wrong_and_the_next_step() -> None:
    assert of_error("a", SetupError("it is off; switch it on"), "x") == Finding(
        "a", "failure", "it is off", "switch it on"
    )
    assert of_error("a", SetupError("it is off"), "x").next_step == "x"
    unknown = of_error("a", SetupError("no such model; it has: one, two"), "x")
    assert unknown.next_step == "choose with --model one that it has: one, two"


def test_only_a_failure_changes_the_exit_code() -> None:
    failed = Finding("a", "failure", "wrong", "mend it")
    assert exit_code([Finding("a", "ok", "well"), failed]) == 1
    assert exit_code(softened([failed])) == 0


def test_a_model_that_only_a_launch_of_ours_knows_is_told(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"model": "anthropic/openrouter:google/gemini-2.5-flash"}')
    (tmp_path / "settings.local.json").write_text('{"model": "opus"}')
    (found,) = settings_files(tmp_path / "no", tmp_path / "no", {"CLAUDE_CONFIG_DIR": str(tmp_path)})
    assert found.status == "warning"
    assert "names anthropic/openrouter:google/gemini-2.5-flash" in found.said
    assert "remove `model`" in str(found.next_step)
