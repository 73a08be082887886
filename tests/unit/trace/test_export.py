"""A session as Markdown and as JSON."""

import json
import re
from typing import Any

import pytest

from anyclaude.trace.export import as_json, markdown
from tests.support.records import assistant, call, record, result, user

FENCE = re.compile(r"^(`{3,})(text)?$", re.MULTILINE)


def outside(text: str) -> str:
    """What stands in no fence."""
    kept, fence = [], ""
    for line in text.split("\n"):
        if fence:
            fence = "" if re.fullmatch(rf"`{{{len(fence)},}} *", line) else fence
        elif found := FENCE.fullmatch(line):
            fence = found[1]
        else:
            kept.append(line)
    assert not fence
    return "\n".join(kept)


def test_a_session_to_read() -> None:
    messages = (user("read <b>it</b>"), assistant(call("a", path="x`y")), user(result("a", "no", is_error=True)))
    usage = {"prompt_tokens": 1200, "cached_tokens": 200, "output_tokens": 30, "cost": 0.01}
    answer = ({"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "# Done"})
    text = markdown(
        [record(messages, answer, usage=usage, timings_ms={"end": 1500.0}, body={"tools": [{"name": "a"}]})]
    )
    assert outside(text).split("\n")[:11] == [
        r"# read \<b\>it\</b\>",
        "",
        "## Conversation",
        "",
        "### User",
        "",
        "",
        "### Assistant",
        "",
        "**Calls Read**",
        "",
    ]
    assert "**Result, an error**\n\n```text\nno\n```" in text
    assert "```text\npath: x`y\n```" in text
    assert "```text\n# Done\n```" in text
    assert "| 1,200 | 200 | 30 |  | 1.5 s | $0.0100 |" in text


@pytest.mark.parametrize(
    "words",
    [
        "```\n# out",
        "````text\n~~~\n```",
        "`" * 40,
        "a\r```\r\n```",
        "```\u2028```",
        "text\n   ```\n<script>",
        "![x](http://x)",
    ],
)
def test_nothing_said_gets_out_of_its_fence(words: str) -> None:
    block = {"type": "text", "text": words}
    said = record((user(words), assistant(call("a", x=words)), user(result("a", words))), (block, {"type": words}))
    for line in outside(markdown([said])).split("\n"):
        assert not line.startswith((" ", "# out", "~~~"))
        assert not re.search(r"(?<!\\)[`<\[!]", line)


def test_results_are_bounded_and_long_lines_of_prose_broken() -> None:
    said = record((assistant(call("a")), user(result("a", "x" * 500))), ({"type": "text", "text": "word " * 100},))
    assert "x" * 100 + "\n[400 characters more]" in markdown([said], most_of_result=100)
    assert "x" * 500 in markdown([said], most_of_result=None)
    assert max(map(len, markdown([said], most_of_result=100).split("\n"))) <= 200


def test_reminders_are_told_of_and_images_named() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}
    text = markdown([record((user("<system-reminder>secret</system-reminder>", image),))])
    assert "*Reminder of Claude Code's, 6 characters*" in text
    assert "secret" not in text
    assert "**Image, image/png**\n\n```text\n4 characters of base64" in text


def test_a_session_for_programs() -> None:
    messages = (user("read it"), assistant(call("a", path="x")), user(result("a", "1")))
    timings = {"first_token": 5.0, "end": 9.0}
    tree: Any = as_json([record(messages, ({"type": "text", "text": "ok"},), timings_ms=timings)])
    assert (tree["format"], tree["version"]) == ("anyclaude.session", 1)
    (thread,) = json.loads(json.dumps(tree))["threads"]
    answered = {"type": "result", "id": "a", "blocks": [{"type": "text", "text": "1", "reminder": False, "cited": []}]}
    assert thread["conversation"][1]["blocks"] == [
        {
            "type": "call",
            "id": "a",
            "name": "Read",
            "arguments": {"path": "x"},
            "server": False,
            "result": {**answered, "error": False},
        }
    ]
    (request,) = thread["requests"]
    assert request["spans_ms"] == [{"name": "answer", "began": 0, "ended": 9}]
    assert request["slow"] == {"cause": "nothing", "verdict": "nothing unusual: it took 9 ms", "changed": None}


def test_no_records() -> None:
    assert markdown([]) == "# A session\n"
    assert as_json([])["threads"] == []
