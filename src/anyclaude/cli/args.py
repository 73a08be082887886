"""Whose argument is it: ours or claude's.

Our few flags are picked out wherever they stand; everything else goes to claude untouched and in order. `--` ends
ours. This is written by hand because argparse would reorder what it does not know, complete prefixes, and take `--help`
out of the value of one of claude's options. Standard library only: `--version` and `--help` are answered from here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from anyclaude.errors import SetupError

WITH_VALUE: Final = ("mode", "port", "model")
SWITCHES: Final = ("proxy-only", "full-tools", "stable-prompt")
ASKING: Final = {"--help": "help", "-h": "help", "--version": "version"}
TASKS: Final = {
    "--show-config": "show-config",
    "--trust": "trust",
    "--config-schema": "config-schema",
    "--check-setup": "check-setup",
    "--test-model": "test-model",
}
"""What is done in place of a launch; our other flags count for it."""

TASK_SWITCHES: Final = {"check-setup": frozenset({"--json"}), "test-model": frozenset({"--json", "--save"})}
"""Words that belong to such a task, and to claude when there is none."""

# Options of Claude Code 2.1.197 that always take the next argument, whatever it looks like (`claude --help`).
_TAKES_VALUE: Final = """
    --add-dir --agent --agents --allowedTools --allowed-tools --append-system-prompt --append-system-prompt-file --betas
    --debug-file --disallowedTools --disallowed-tools --effort --fallback-model --file --input-format --json-schema
    --max-budget-usd --max-turns --mcp-config --name -n --output-format --permission-mode --permission-prompt-tool
    --plugin-dir --plugin-url --remote-control-session-name-prefix --session-id --setting-sources --settings
    --system-prompt --system-prompt-file --tools
"""
CLAUDE_TAKES_VALUE: Final = frozenset(_TAKES_VALUE.split())

HELP: Final = """\
Usage: anyclaude [our flags] [claude's own arguments]

Starts the real Claude Code on a model of your choice. What is not one of our flags goes to claude as it stands.

Our flags:
  --mode=MODE     lmstudio (default), mlx-cluster, openrouter or claude      also ANYCLAUDE_MODE
  --model=NAME    the upstream's name of the model (default: what is loaded) also LMSTUDIO_MODEL
  --port=N        port of the proxy on 127.0.0.1; 0, the default, is a free one   also ANYCLAUDE_PORT
  --proxy-only    no claude: print two export lines and serve until Ctrl-C   also PROXY_ONLY=true
  --full-tools    all of Claude Code's tools, even when the model's window is small for them
  --stable-prompt folder, git status and memory go into the first message, so that sessions share what is computed of
                  the system prompt; on for local servers, --stable-prompt=false turns it off
  --show-config   print every setting with its origin, and end
  --config-schema print the JSON schema of the settings files, and end
  --trust         believe this directory's settings files, as they are now, in all that they set
  --check-setup   look for what would stop a launch, and say what to do about it; --json for scripts
  --test-model    try out whether the model is fit for Claude Code; --json for scripts, --save to keep what it finds
  --version       our version
  --help, -h      this text; `anyclaude -- --help` is claude's
  --              ends our flags: everything after it is claude's

Examples:
  anyclaude                                    talk to the model that LM Studio has loaded
  anyclaude -p "what does this project do?"    one answer, then exit
  anyclaude --mode=mlx-cluster                 no server at hand: starts a worker of our own and ends it afterwards
  anyclaude --model=qwen3-coder --continue     a certain model, and claude's own --continue
  anyclaude -- --version                       claude's version, not ours
  LMSTUDIO_URL=http://localhost:1234/v1 anyclaude
  anyclaude trace list                         past requests that were recorded; also show, diff, replay
  anyclaude cluster status                     the nodes of the MLX cluster; also warm, drain NODE, undrain NODE
  anyclaude --proxy-only                       prints two lines to paste into another terminal, then serves

Upstreams: LMSTUDIO_URL (http://localhost:8082/v1), LMSTUDIO_MODEL, LMSTUDIO_API_KEY,
  MLX_CLUSTER_NODES='[{"id":"mac1","url":"http://mac1.local:8081"}]', with none a worker is started on this machine.
Files: .anyclauderc.json here (may choose backend, models and prompt options; more with --trust), ~/.anyclauderc.json.
Also: ANYCLAUDE_AUTH_TOKEN (the proxy's token; random by default), ANYCLAUDE_CLAUDE (where claude is).

Exit code: claude's own (128+n when signal n ended it); 2 when this machine is not ready; 70 for a fault of ours.
Logs: ~/.anyclaude/logs/
"""


@dataclass(frozen=True, slots=True)
class Split:
    """ours: flag to value as typed, a bare switch being "true". claude: the rest.

    asks: what is done in place of a launch, or None. switches: the words among the rest that belong to that task.
    """

    ours: dict[str, str] = field(default_factory=dict)
    claude: list[str] = field(default_factory=list)
    asks: str | None = None
    switches: frozenset[str] = frozenset()


def split(argv: Sequence[str]) -> Split:
    """Divide the arguments after the program's name. The last of a repeated flag counts.

    Raises SetupError for a flag of ours without its value.
    """
    ours: dict[str, str] = {}
    claude: list[str] = []
    task: str | None = None
    rest = iter(argv)
    for word in rest:
        if word == "--":
            claude.extend(rest)
        elif word in ASKING:
            return Split(ours, claude, ASKING[word])
        elif word in TASKS:
            task = TASKS[word]
        elif (flag := _our_flag(word)) is not None:
            ours[flag] = _value(flag, word, rest)
        else:
            claude.append(word)
            if word in CLAUDE_TAKES_VALUE:
                claude.extend(_next(rest))
    switches = TASK_SWITCHES.get(task or "", frozenset()) & {*claude}
    return Split(ours, [word for word in claude if word not in switches], task, switches)


def _our_flag(word: str) -> str | None:
    name = word[2:].partition("=")[0] if word.startswith("--") else ""
    return name if name in WITH_VALUE or name in SWITCHES else None


def _value(flag: str, word: str, rest: Iterator[str]) -> str:
    _, equals, value = word.partition("=")
    if not equals and flag in SWITCHES:
        return "true"
    if not equals:
        value = next(rest, "")
    if not value:
        raise SetupError(f"--{flag} needs a value, as in --{flag}={_EXAMPLES.get(flag, 'true')}")
    return value


_EXAMPLES: Final = {"mode": "lmstudio", "port": "0", "model": "qwen3-coder"}


def _next(rest: Iterator[str]) -> list[str]:
    word = next(rest, None)
    return [] if word is None else [word]
