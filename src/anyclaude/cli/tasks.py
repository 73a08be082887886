"""What is done in place of a launch: `--show-config`, `--check-setup` and the like."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

from anyclaude.cli.args import Split
from anyclaude.cli.diagnose import diagnose
from anyclaude.cli.folders import folders
from anyclaude.cli.model_test import try_model
from anyclaude.cli.output import Terminal
from anyclaude.cli.run import logged, resolved
from anyclaude.cli.show_config import table
from anyclaude.config.schema import schema_text
from anyclaude.config.trust import trust
from anyclaude.wire.exit_codes import ExitCode


def _show_config(given: Split, screen: Terminal) -> int:
    sys.stdout.write(table(resolved(given, screen)))
    return ExitCode.DONE


def _show_schema(given: Split, screen: Terminal) -> int:
    sys.stdout.write(schema_text())
    return ExitCode.DONE


def _trust(given: Split, screen: Terminal) -> int:
    screen.say(trust(*folders()))
    return ExitCode.DONE


def _check_setup(given: Split, screen: Terminal) -> int:
    return diagnose(resolved(given, screen).settings, as_json="--json" in given.switches)


def _test_model(given: Split, screen: Terminal) -> int:
    settings = resolved(given, screen).settings
    logged(settings, screen)
    as_json, save = "--json" in given.switches, "--save" in given.switches
    return try_model(settings, os.environ, screen, as_json=as_json, save=save)


TASKS: Final[Mapping[str, Callable[[Split, Terminal], int]]] = {
    "show-config": _show_config,
    "config-schema": _show_schema,
    "trust": _trust,
    "check-setup": _check_setup,
    "test-model": _test_model,
}
"""By the name of what is asked."""
