"""Whose argument is it: ours or claude's.

Our few flags are picked out wherever they stand; everything else goes to claude untouched and in order. `--` ends
ours. This is written by hand because argparse would reorder what it does not know, complete prefixes, and take `--help`
out of the value of one of claude's options. Standard library only, and little of it: `--version` is answered from here.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from anyclaude.errors import SetupError

Kind = Literal["launch", "task", "asking"]


class Flag(NamedTuple):
    """value: the name of what follows, None for a switch. about: what it does, for `--help` and shells.

    kind: a setting of a launch, a task in place of one, or a question to us. choices: all that the value may be.
    switches: words that belong to this task, and to claude when there is none.
    """

    name: str
    value: str | None
    kind: Kind
    about: str
    choices: tuple[str, ...] = ()
    switches: frozenset[str] = frozenset()


MODES: Final = ("lmstudio", "mlx-cluster", "openrouter", "claude")

FLAGS: Final = (
    Flag("--mode", "MODE", "launch", f"{', '.join(MODES[:-1])} or {MODES[-1]} (default {MODES[0]})", MODES),
    Flag("--model", "NAME", "launch", "the upstream's name of the model (default: what is loaded)"),
    Flag("--port", "N", "launch", "port of the proxy on 127.0.0.1; 0, the default, is a free one"),
    Flag("--proxy-only", None, "launch", "no claude: print two export lines and serve until Ctrl-C"),
    Flag("--ui", None, "launch", "sessions and turns in a browser: its address is printed, and traces are kept"),
    Flag("--full-tools", None, "launch", "all of Claude Code's tools, even when the model's window is small for them"),
    Flag(
        "--stable-prompt",
        None,
        "launch",
        "folder, git status and memory go into the first message, so that sessions share what is computed of the "
        "system prompt; on for local servers, --stable-prompt=false turns it off",
    ),
    Flag(
        "--check-setup",
        None,
        "task",
        "look for what would stop a launch, and say what to do about it; --json for scripts",
        switches=frozenset({"--json"}),
    ),
    Flag(
        "--test-model",
        None,
        "task",
        "try out whether the model is fit for Claude Code; --json for scripts, --save to keep what it finds",
        switches=frozenset({"--json", "--save"}),
    ),
    Flag("--show-config", None, "task", "print every setting with its origin"),
    Flag("--config-schema", None, "task", "print the JSON schema of the settings files"),
    Flag("--trust", None, "task", "believe this directory's settings files, as they are now, in all that they set"),
    Flag("--version", None, "asking", "our version; `anyclaude -- --version` is claude's"),
    Flag("--help", None, "asking", "this text, also -h; `anyclaude -- --help` is claude's"),
)

_BY_NAME: Final = {flag.name: flag for flag in FLAGS} | {"-h": FLAGS[-1]}

# Options of Claude Code 2.1.197 that always take the next argument, whatever it looks like (`claude --help`).
_TAKES_VALUE: Final = """
    --add-dir --agent --agents --allowedTools --allowed-tools --append-system-prompt --append-system-prompt-file --betas
    --debug-file --disallowedTools --disallowed-tools --effort --fallback-model --file --input-format --json-schema
    --max-budget-usd --max-turns --mcp-config --name -n --output-format --permission-mode --permission-prompt-tool
    --plugin-dir --plugin-url --remote-control-session-name-prefix --session-id --setting-sources --settings
    --system-prompt --system-prompt-file --tools
"""
CLAUDE_TAKES_VALUE: Final = frozenset(_TAKES_VALUE.split())


class Split(NamedTuple):
    """ours: flag to value as typed, a bare switch being "true". claude: the rest.

    asks: what is done in place of a launch, or None. switches: the words among the rest that belong to that task.
    """

    ours: dict[str, str]
    claude: list[str]
    asks: str | None = None
    switches: frozenset[str] = frozenset()


def split(argv: Sequence[str]) -> Split:
    """Divide the arguments after the program's name. The last of a repeated flag counts.

    Raises SetupError for a flag of ours without its value.
    """
    ours: dict[str, str] = {}
    claude: list[str] = []
    task: Flag | None = None
    rest = iter(argv)
    for word in rest:
        flag = _our_flag(word)
        if word == "--":
            claude.extend(rest)
        elif flag is None:
            claude.append(word)
            if word in CLAUDE_TAKES_VALUE:
                claude.extend(_next(rest))
        elif flag.kind == "asking":
            return Split(ours, claude, flag.name[2:])
        elif flag.kind == "task":
            task = flag
        else:
            ours[flag.name[2:]] = _value(flag, word, rest)
    if task is None:
        return Split(ours, claude)
    switches = task.switches & {*claude}
    return Split(ours, [word for word in claude if word not in switches], task.name[2:], switches)


def _our_flag(word: str) -> Flag | None:
    """Only what a launch takes may be followed by `=`."""
    if (flag := _BY_NAME.get(word)) is not None:
        return flag
    flag = _BY_NAME.get(word.partition("=")[0])
    return flag if flag is not None and flag.kind == "launch" else None


def _value(flag: Flag, word: str, rest: Iterator[str]) -> str:
    _, equals, value = word.partition("=")
    if not equals and flag.value is None:
        return "true"
    if not equals:
        value = next(rest, "")
    if not value:
        raise SetupError(f"{flag.name} needs a value, as in {flag.name}={_EXAMPLES.get(flag.name, 'true')}")
    return value


_EXAMPLES: Final = {"--mode": "lmstudio", "--port": "0", "--model": "qwen3-coder"}


def _next(rest: Iterator[str]) -> list[str]:
    word = next(rest, None)
    return [] if word is None else [word]
