"""The screens of `--check-setup`: a table, or JSON for scripts, on standard output."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from anyclaude.cli.output import plain
from anyclaude.config.model import Settings
from anyclaude.diagnosis.checks import check_setup
from anyclaude.diagnosis.findings import Finding, Status, exit_code

_STYLES: Final[dict[Status, str]] = {"ok": "green", "warning": "yellow", "failure": "bold red"}

_WIDEST_AREA: Final = 26
"""Columns for a backend's and a model's name; longer ones go on in the next line."""


def diagnose(settings: Settings, *, as_json: bool) -> int:
    """Check the set-up, print what was found, and return the exit code: 0 when nothing failed, else 1."""
    findings = asyncio.run(check_setup(settings, os.environ, Path.home(), Path.cwd()))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        Console().print(findings_table(findings))
    return exit_code(findings)


def findings_table(findings: Sequence[Finding]) -> Table:
    """One row a finding, its next step below it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(max_width=_WIDEST_AREA, overflow="fold")
    table.add_column(overflow="fold")
    for finding in findings:
        style = _STYLES[finding.status]
        said = Text(plain(finding.said))
        if finding.next_step:
            said.append(f"\n→ {plain(finding.next_step)}", style=style if finding.status != "ok" else "dim")
        table.add_row(Text(finding.status, style=style), Text(plain(finding.area)), said)
    return table
