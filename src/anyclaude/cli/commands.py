"""Our subcommands: the module that does each, which is loaded only when asked for, and what it is in a few words."""

from typing import Final, NamedTuple


class Command(NamedTuple):
    """module: has `run(argv) -> int` and `parser()`. about: for `--help` and shells."""

    module: str
    about: str


COMMANDS: Final = {
    "trace": Command("anyclaude.cli.trace", "past requests: list, search, read, browse, ask again"),
    "cluster": Command("anyclaude.cli.cluster", "the nodes of the MLX cluster: status, warm, drain, undrain"),
    "top": Command("anyclaude.cli.top", "what runs now, each second: proxies, nodes, speeds, last errors"),
    "service": Command("anyclaude.cli.service", "a worker or a proxy that runs by itself, from login on"),
    "completion": Command("anyclaude.cli.completion", "what makes bash, zsh or fish complete our words"),
}
