"""`anyclaude cluster`: how the nodes of the settings are, and what a person has them do.

The nodes are asked directly, so that it works without a proxy; running proxies say how the nodes answer them. What is
drained stands in a file that every proxy of this person follows (`config.drained`).
"""

import argparse
import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.live import Live

from anyclaude.cli.cluster_nodes import Look, known, look_again, look_once, warm_all
from anyclaude.cli.cluster_screen import screen
from anyclaude.cli.cluster_seen import Seen, as_json
from anyclaude.cli.folders import folders
from anyclaude.cli.logs import keep_quiet
from anyclaude.cli.output import plain, say
from anyclaude.cli.subcommand import Parser, Screen, ended
from anyclaude.config.drained import address_of, drain, drained_nodes, undrain
from anyclaude.config.load import resolve
from anyclaude.config.model import Settings
from anyclaude.errors import SetupError
from anyclaude.wire.exit_codes import ExitCode

_ABOUT: Final = "The nodes of the MLX cluster, as the settings name them. More: docs/guides/mlx-cluster.md"
_EXAMPLES: Final = (
    ("anyclaude cluster status --watch", "how they are, every two seconds"),
    ("anyclaude cluster drain studio", "nothing new for it: restart it then"),
    ("anyclaude cluster undrain studio", "it is asked again"),
    ("anyclaude cluster warm --prompt p.txt", "compute a prompt ahead, everywhere"),
)
_STATUS: Final = "How each node is, and how running proxies see it. Exit code 1 when none is ready."
_WARM: Final = "Have each ready node compute a system prompt ahead. Exit code 1 when none takes it."
_DRAIN: Final = "Let every proxy ask a node for nothing new; what it has begun it ends."

LONGEST_PROMPT: Final = 4_000_000
"""Bytes of a file to compute ahead."""


def run(argv: Sequence[str]) -> int:
    """Do what `anyclaude cluster ARGV` asks, and return the exit code."""
    keep_quiet()
    return ended(parser(), argv, _done)


def _done(given: argparse.Namespace, console: Screen) -> int:
    resolved = resolve({}, os.environ, *folders())
    for notice in resolved.notices:
        say(notice)
    code: int = given.do(given, resolved.settings, console)
    return code


def parser() -> Parser:
    """What may be asked of us."""
    top = Parser(prog="anyclaude cluster", about=_ABOUT, examples=_EXAMPLES)
    commands = top.add_subparsers(required=True, title="commands", metavar="COMMAND")
    status = commands.add_parser("status", help="how each node is", about=_STATUS)
    shown = status.add_mutually_exclusive_group()
    shown.add_argument("--watch", action="store_true", help="look again every two seconds, until Ctrl-C")
    shown.add_argument("--json", action="store_true", help="one JSON object in place of the screen")
    status.set_defaults(do=_status)
    warming = commands.add_parser("warm", help="have each ready node compute a system prompt ahead", about=_WARM)
    warming.add_argument("--prompt", metavar="FILE", type=Path, help="the system prompt, as text")
    warming.set_defaults(do=_warm)
    draining = commands.add_parser("drain", help="let every proxy ask a node for nothing new", about=_DRAIN)
    draining.set_defaults(do=_drain)
    back = commands.add_parser("undrain", help="let a drained node in again", about="Let a drained node in again.")
    back.set_defaults(do=_undrain)
    for one in (draining, back):
        one.add_argument("node", metavar="NODE", help="its id, as `status` shows it")
    return top


# Commands


def _status(given: argparse.Namespace, settings: Settings, console: Screen) -> int:
    if given.watch and not console.is_terminal:
        raise SetupError("--watch needs a terminal; in a script, repeat `anyclaude cluster status --json`")
    if given.watch:
        return _watch(settings, console)
    look = asyncio.run(look_once(settings))
    if given.json:
        print(json.dumps(as_json(look.nodes, look.proxies)))
    else:
        console.print(screen(look.nodes, console.width, look.proxies))
    return _code(look.nodes)


def _watch(settings: Settings, console: Screen) -> int:
    """Ctrl-C is its end, so the exit code is that of the last look."""
    last: list[Seen] = []
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, transient=False) as live:

        def show(look: Look) -> None:
            last[:] = look.nodes
            live.update(screen(look.nodes, console.width, look.proxies), refresh=True)

        asyncio.run(look_again(settings, show))
    return _code(last)


def _warm(given: argparse.Namespace, settings: Settings, console: Screen) -> int:
    if given.prompt is None:
        raise SetupError(
            "say what to compute ahead with --prompt FILE; what Claude Code's sessions have in common, "
            "a running proxy gives to idle nodes by itself"
        )
    told = asyncio.run(warm_all(settings, _text(given.prompt)))
    for node, problem in told.items():
        console.print(plain(f"{node}: {problem or 'computes it when it has nothing else to do'}"), soft_wrap=True)
    return ExitCode.DONE if None in told.values() else ExitCode.NO


def _drain(given: argparse.Namespace, settings: Settings, console: Screen) -> int:
    nodes = asyncio.run(known(settings))
    node = next((one for one in nodes if one.id == given.node), None)
    if node is None:
        raise SetupError(f"there is no node {given.node!r}; there is {', '.join(one.id for one in nodes) or 'none'}")
    if drain(settings.home, node):
        said = "is drained: once others have computed what only it holds, two minutes at most, it gets nothing new"
    else:
        said = "is drained already"
    if {address_of(one) for one in nodes} <= drained_nodes(settings.home).keys():
        said += "; but all are drained now, and then they are asked all the same"
    console.print(f"{node.id} {said}", soft_wrap=True)
    return ExitCode.DONE


def _undrain(given: argparse.Namespace, settings: Settings, console: Screen) -> int:
    there = drained_nodes(settings.home)
    addresses = _drained_as(given.node, settings, there)
    if not addresses:
        raise SetupError(f"{given.node!r} is not drained; {', '.join(there.values()) or 'no node'} is")
    for one in addresses:
        undrain(settings.home, one)
    console.print(f"{given.node} is asked again", soft_wrap=True)
    return ExitCode.DONE


def _drained_as(name: str, settings: Settings, there: Mapping[str, str]) -> list[str]:
    """The addresses of a node. One that the settings do not name is known by the name that it was drained under."""
    named = [address_of(node) for node in settings.backends.mlx_cluster.nodes if node.id == name]
    return [address for address, node in there.items() if address in named or (not named and node == name)]


def _text(path: Path) -> str:
    """Raises SetupError for a file that is no text, empty or too long."""
    try:
        if path.stat().st_size > LONGEST_PROMPT:
            raise SetupError(f"{path} is longer than {LONGEST_PROMPT} bytes, which is no system prompt")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SetupError(f"{path} is not UTF-8 text") from None
    if not text.strip():
        raise SetupError(f"{path} is empty")
    return text


def _code(seen: Sequence[Seen]) -> int:
    return ExitCode.DONE if any(one.ready for one in seen) else ExitCode.NO
