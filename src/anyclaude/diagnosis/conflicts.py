"""Checks of what others have set: variables and Claude Code's own files that would lead claude past us.

Names are told, values never: most of them are keys. Which names count is decided where the child's environment is
made (`launch.env`), so that both always agree.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from anyclaude.config.names import named_target
from anyclaude.diagnosis.findings import Finding
from anyclaude.launch import claude_files
from anyclaude.launch.env import child_environment

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LOOPBACK: Final = ("127.0.0.1", "localhost")
_LOGINS: Final = ("apiKeyHelper", "awsAuthRefresh", "awsCredentialExport", "gcpAuthRefresh")
_LARGEST_FILE: Final = 4 * 1024 * 1024
_CLIPPED: Final = 80


def environment(environ: Mapping[str, str]) -> list[Finding]:
    """Inherited variables that claude is not handed."""
    names = _leading_elsewhere(environ)
    if not names:
        return [Finding("environment", "ok", "no variable leads claude elsewhere")]
    said = f"set, and kept from claude because they lead elsewhere: {', '.join(names)}"
    return [Finding("environment", "warning", said, f"run `unset {' '.join(names)}` if you do not need them")]


def proxies(environ: Mapping[str, str]) -> list[Finding]:
    """Proxy variables that would catch what is meant for this machine."""
    named = [name for name in _PROXIES if environ.get(name) or environ.get(name.lower())]
    if not named:
        return [Finding("proxy", "ok", "no proxy is set")]
    lists = ",".join((environ.get("NO_PROXY", ""), environ.get("no_proxy", "")))
    entries = {entry.strip() for entry in lists.split(",")}
    missing = [] if "*" in entries else [host for host in _LOOPBACK if host not in entries]
    if not missing:
        return [Finding("proxy", "ok", f"{', '.join(named)} set, and NO_PROXY leaves this machine out")]
    said = (
        f"{', '.join(named)} set, and NO_PROXY does not leave out {' and '.join(missing)}; claude is told, others not"
    )
    return [Finding("proxy", "warning", said, f"run `export NO_PROXY={','.join(_LOOPBACK)}` (added to what it holds)")]


def settings_files(user: Path, project: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Claude Code's settings files. user: the home directory. project: where claude would be started."""
    found = [finding for path in claude_files.settings_files(user, project, environ) for finding in _in_file(path)]
    return found or [Finding("settings", "ok", "no settings file of Claude Code leads it elsewhere")]


def _in_file(path: Path) -> list[Finding]:
    try:
        if not path.is_file():
            return []
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError("larger than any settings are")
        settings = json.loads(path.read_bytes())
    except OSError as error:
        return [Finding("settings", "warning", f"{path} cannot be read: {error.strerror}", f"run `chmod u+r {path}`")]
    except (ValueError, RecursionError):
        return [Finding("settings", "warning", f"{path} is not JSON, so Claude Code ignores it", f"correct {path}")]
    return _in_settings(path, settings) if isinstance(settings, dict) else []


def _in_settings(path: Path, settings: Mapping[str, Any]) -> list[Finding]:
    given = settings.get("env")
    names = _leading_elsewhere(dict.fromkeys(given, "")) if isinstance(given, dict) else ()
    found = []
    if names:
        said = f"{path} sets {', '.join(names)} in `env`, which may lead claude elsewhere"
        found.append(Finding("settings", "warning", said, f"remove them from `env` in {path}"))
    logins = [name for name in _LOGINS if settings.get(name)]
    if logins:
        said = f"{path} has {', '.join(logins)}, another login than the one that anyclaude hands to claude"
        found.append(Finding("settings", "warning", said, f"remove it from {path} if claude asks for a login"))
    model = settings.get("model")
    if isinstance(model, str) and named_target(model, {}) is not None:
        named = f"{path} names {model[:_CLIPPED]} as the model, as /model saves it with Enter"
        step = f"pick another in /model, or remove `model` from {path}; `s` in /model picks for one session"
        found.append(Finding("settings", "warning", f"{named}: without anyclaude nobody knows it", step))
    return found


def _leading_elsewhere(environ: Mapping[str, str]) -> tuple[str, ...]:
    return child_environment(environ, url="", token="", model_id="", window=None, prompt_tokens=0).dropped
