"""`anyclaude --check-setup`: every check, those that wait for somebody side by side, each with its own deadline."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from anyclaude.backends.registry import open_backend
from anyclaude.config.model import Settings
from anyclaude.diagnosis.conflicts import environment, proxies, settings_files
from anyclaude.diagnosis.findings import Finding
from anyclaude.diagnosis.machine import claude_program, own_folder
from anyclaude.diagnosis.searching import every_engine
from anyclaude.diagnosis.upstreams import Opening, every_backend


async def check_setup(
    settings: Settings, environ: Mapping[str, str], user: Path, project: Path, opening: Opening = open_backend
) -> list[Finding]:
    """All findings, in the order of a launch. user: the home directory. project: where claude would be started."""
    program, backends, engines = await asyncio.gather(
        claude_program(environ), every_backend(settings, opening), every_engine(settings)
    )
    return [
        *program,
        *environment(environ),
        *settings_files(user, project, environ),
        *proxies(environ),
        *backends,
        *engines,
        *own_folder(settings.home),
    ]
