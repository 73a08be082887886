"""What belongs to one session leaves the system prompt, and what does not stays."""

from typing import Any

import pytest

from anyclaude.prompt.stable import moved, with_preface
from tests.unit.prompt.prompts import IDENTITY

RULES = "# Doing tasks\nFirst of the tasks.\n# Tone and style\nSpeak softly."
MEMORY = "# Memory\nNotes lie in `/home/reader/projects/shelf/memory/`. They are read each day."
ENVIRONMENT = "# Environment\n - Primary working directory: /library/{shelf}\n - Platform: linux"
MANNERS = "# Context management\nLong talks are summed up."
STATUS = "gitStatus: as it was in the morning.\n\nCurrent branch: {shelf}\n\nRecent commits:\n4ef926b first"


def prompt(shelf: str) -> str:
    parts = (IDENTITY, RULES, MEMORY, ENVIRONMENT, MANNERS, STATUS)
    return "\n\n".join(parts).replace("{shelf}", shelf)


def system(shelf: str) -> list[dict[str, Any]]:
    mark = {"cache_control": {"type": "ephemeral"}}
    return [{"type": "text", "text": "identity", **mark}, {"type": "text", "text": prompt(shelf), **mark}]


def test_two_sessions_share_the_system_prompt() -> None:
    one, other = moved(system("one")), moved(system("other"))
    assert one is not None
    assert other is not None
    assert one[0] == other[0]
    kept = one[0][1]["text"]
    assert IDENTITY in kept
    assert RULES in kept
    assert MANNERS in kept
    assert one[0][1]["cache_control"]


def test_a_session_without_a_repository_shares_it_too() -> None:
    with_one, without = moved(prompt("one") + "\n\n"), moved(prompt("two").partition("\n\ngitStatus:")[0])
    assert with_one is not None
    assert without is not None
    assert with_one[0] == without[0]


def test_nothing_is_lost() -> None:
    found = moved(system("one"))
    assert found is not None
    rest, own = found
    for part in (MEMORY, ENVIRONMENT, STATUS):
        assert part.replace("{shelf}", "one") in own
    whole = sorted(line for line in prompt("one").splitlines() if line)
    both = [line for line in [*rest[1]["text"].splitlines(), *own.splitlines()[1:]] if line]
    assert sorted(both) == whole


@pytest.mark.parametrize(
    "text",
    [
        "You help.",
        f"{IDENTITY}\n{RULES}\n# Environment\n - You are powered by a model.",
        f"{IDENTITY}\n{RULES}\n# Working directory\nTidy it.",
        "# Environment\nKeep the planet clean.",
        f"{IDENTITY}\n{RULES}\n# Environment\nThe working directory is mine alone.",
    ],
)
def test_rules_of_every_session_stay(text: str) -> None:
    assert moved(text) is None
    assert moved([{"type": "text", "text": text}]) is None


def test_an_agents_prompt_has_an_environment_too() -> None:
    found = moved("You search.\n\n<env>\nWorking directory: /library\n</env>")
    assert found is not None
    assert found[0].strip() == "You search."
    assert "/library" in found[1]


@pytest.mark.parametrize("content", ["Sort.", [{"type": "text", "text": "Sort."}]])
def test_it_comes_before_the_first_words_of_the_user(content: Any) -> None:
    later = {"role": "assistant", "content": "Done."}
    messages = with_preface([{"role": "user", "content": content}, later], "the folder")
    assert messages is not None
    first, said = messages[0]["content"]
    assert first["text"] == "<system-reminder>\nthe folder\n</system-reminder>\n\n"
    assert said == {"type": "text", "text": "Sort."}
    assert messages[1] is later


@pytest.mark.parametrize("messages", [[], [{"role": "assistant", "content": "Hello."}]])
def test_where_the_user_does_not_begin_nothing_moves(messages: Any) -> None:
    assert with_preface(messages, "the folder") is None
