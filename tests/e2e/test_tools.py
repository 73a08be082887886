"""The real Claude Code does what a scripted model asks for: files on disk, and what comes back to the model."""

import struct
import zlib
from typing import Any

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.pdf import pdf
from tests.support.script import Calls, Reply, Says, Thinks, Together, calls, reply


async def test_write_read_edit_run(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    program = claude.work / "greet.py"
    path = str(program)
    upstream.script(
        reply(Says("I write it."), calls("Write", file_path=path, content="print('hello')\n")),
        reply(calls("Read", file_path=path)),
        reply(calls("Edit", file_path=path, old_string="hello", new_string="good day")),
        reply(Thinks("It should run."), calls("Bash", command="python3 greet.py", description="Run it")),
        lambda asked: reply(Says(f"It prints: {asked.tool_results()[-1]}")),
    )
    answer = await claude.ask("Write a program that greets, then run it")
    assert (answer.exit_code, answer.text) == (0, "It prints: good day")
    assert program.read_text() == "print('good day')\n"
    assert [block["name"] for block in answer.blocks("tool_use")] == ["Write", "Read", "Edit", "Bash"]
    assert [block["thinking"] for block in answer.blocks("thinking")] == ["It should run."]
    read = upstream.asked[2]
    assert read.tool_calls() == [{"name": "Read", "arguments": {"file_path": path}}]
    assert "print('hello')" in read.tool_results()[-1]


async def test_parallel_calls_whose_pieces_are_interleaved(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    names = [f"{letter}.txt" for letter in "abc"]
    written = (calls("Write", file_path=str(claude.work / name), content=f"I am {name}\n") for name in names)
    delays = zip(names, (0.4, 0.2, 0), strict=True)
    slow_first = [calls("Bash", command=f"sleep {delay}; cat {name}") for name, delay in delays]
    upstream.script(
        reply(Together(tuple(written))),
        reply(Says("All three at once."), Together(tuple(slow_first))),
        reply(Says("Done.")),
    )
    answer = await claude.ask("Write three files")
    assert (answer.exit_code, answer.text) == (0, "Done.")
    assert [(claude.work / name).read_text() for name in names] == ["I am a.txt\n", "I am b.txt\n", "I am c.txt\n"]
    called, last = upstream.asked[2].tool_calls(), upstream.asked[2]
    assert [call["name"] for call in called] == ["Bash"] * 3
    assert [text.strip() for text in last.tool_results()[-3:]] == ["I am a.txt", "I am b.txt", "I am c.txt"]


async def test_calls_that_the_model_writes_as_text_are_run(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """One in Qwen3-Coder's way behind thinking, then one in gpt-oss's; an example in a fence is only shown."""
    path = str(claude.work / "note.txt")
    write = f"<parameter=file_path>\n{path}\n</parameter>\n<parameter=content>\nhello\n\n</parameter>"
    qwen = f"<tool_call>\n<function=Write>\n{write}\n</function>\n</tool_call>\n"
    harmony = '<|channel|>commentary to=functions.Bash <|constrain|>json<|message|>{"command": "cat note.txt"}<|call|>'
    example = "It was:\n```\n" + qwen + "```\n"
    upstream.script(
        reply(Says("<think>\nA file.\n</think>\n\nI write it.\n" + qwen, 30)),
        reply(Says(harmony, 20)),
        lambda asked: reply(Says(example + asked.tool_results()[-1], 20)),
    )
    answer = await claude.ask("Write a note, then show it")
    assert (answer.exit_code, answer.text) == (0, example + "hello")
    assert [block["name"] for block in answer.blocks("tool_use")] == ["Write", "Bash"]
    assert [block["thinking"] for block in answer.blocks("thinking")] == ["A file.\n"]
    assert upstream.asked[1].tool_calls() == [{"name": "Write", "arguments": {"file_path": path, "content": "hello\n"}}]
    assert upstream.asked[2].tool_results()[-1].strip() == "hello"


async def test_a_failing_command_reaches_the_model(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(calls("Bash", command="ls nowhere.txt")), reply(Says("It is not there.")))
    answer = await claude.ask("List it")
    assert answer.text == "It is not there."
    assert "No such file" in upstream.asked[1].tool_results()[-1]


async def test_a_call_that_cannot_be_parsed_goes_on(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """The model is told, and its next turn works; the broken arguments come back as valid JSON."""

    def again(asked: Asked) -> Reply:
        assert "could not be parsed" in asked.tool_results()[-1]
        assert len(asked.tool_calls()) == 1
        return reply(calls("Bash", command="echo right"))

    upstream.script(
        reply(Calls("Bash", '{"command": "echo wro')),
        again,
        reply(Says("Now it worked.")),
    )
    answer = await claude.ask("Say right")
    assert (answer.exit_code, answer.text) == (0, "Now it worked.")
    assert upstream.asked[2].tool_results()[-1] == "right"


async def test_an_image_reaches_the_model(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    picture = claude.work / "red.png"
    picture.write_bytes(red_square())
    upstream.script(reply(calls("Read", file_path=str(picture))), reply(Says("Red.")))
    answer = await claude.ask("Which colour is red.png?")
    assert answer.text == "Red."
    parts = [part for message in upstream.asked[1].messages for part in parts_of(message)]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert [url.partition(";")[0] for url in urls] == ["data:image/png"]


async def test_a_pdf_reaches_the_model_as_text(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    terms = claude.work / "terms.pdf"
    terms.write_bytes(pdf(["Books are lent for a week.", "Then they come back."]))
    upstream.script(reply(calls("Read", file_path=str(terms))), reply(Says("A week.")))
    answer = await claude.ask("For how long are books lent, by terms.pdf?")
    assert answer.text == "A week."
    said = str(upstream.asked[1].messages)
    assert "Books are lent for a week." in said
    assert "page 2 of 2" in said


async def test_names_and_arguments_that_are_not_quite_right_are_mended(
    claude: ClaudeCode, upstream: OpenAIUpstream
) -> None:
    """Each of them would be an error of Claude Code's, and a turn lost."""
    path = str(claude.work / "note.txt")
    upstream.script(
        reply(Calls("functions.write", f"{{'file_path': '{path}', content: \"one\\ntwo\\n\",}}")),
        reply(Calls("read", f'{{"filePath": "{path}", "limit": "1", "why": "to see"')),
        lambda asked: reply(Says(f"It holds: {asked.tool_results()[-1]}")),
    )
    answer = await claude.ask("Write a note, and read it")
    assert (claude.work / "note.txt").read_text() == "one\ntwo\n"
    assert answer.text is not None
    assert "one" in answer.text
    assert "two" not in answer.text
    assert "Error" not in answer.text


async def test_a_model_without_eyes_is_told(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.images = False
    picture = claude.work / "red.png"
    picture.write_bytes(red_square())
    upstream.script(reply(calls("Read", file_path=str(picture))), reply(Says("I cannot see it.")))
    answer = await claude.ask("Which colour is red.png?")
    assert (answer.exit_code, answer.text) == (0, "I cannot see it.")
    assert "image_url" not in str(upstream.asked[1].messages)
    assert "image" in upstream.asked[1].tool_results()[-1]


async def test_a_subagent_has_its_own_conversation(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    def sub(asked: Asked) -> Reply:
        assert "Count the files" in asked.texts("user")[-1]
        assert "How many files" not in str(asked.messages)
        return reply(Says("There are none."))

    order = {"description": "Count files", "prompt": "Count the files", "subagent_type": "general-purpose"}
    upstream.script(reply(calls("Agent", **order)), sub, reply(Says("None at all.")))
    answer = await claude.ask("How many files are there?")
    assert answer.text == "None at all."
    assert "There are none." in upstream.asked[2].tool_results()[-1]


async def test_the_prompt_grows_only_at_its_end(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """What a local model has computed once it need not compute again, over tool turns and over --continue."""
    upstream.script(
        reply(calls("Bash", command="echo one")),
        reply(Says("First."), calls("Bash", command="echo two")),
        reply(Says("Second.")),
        reply(Says("Third.")),
    )
    await claude.ask("Say one and two")
    await claude.ask("And three?", "--continue")
    for earlier, later in zip(upstream.asked[:2], upstream.asked[1:3], strict=True):
        assert later.body["tools"] == earlier.body["tools"]
        assert later.messages[: len(earlier.messages)] == earlier.messages
    resumed, before = upstream.asked[3], upstream.asked[2]
    assert resumed.messages[1 : len(before.messages)] == before.messages[1:]


async def test_what_only_anthropic_understands_is_not_sent(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(Says("Hello.")))
    await claude.ask("Say hello")
    body = upstream.asked[0].body
    assert body["cache_prompt"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert [message["role"] for message in body["messages"]].count("system") == 1
    sent = str(body)
    assert "cache_control" not in sent
    assert "x-anthropic-billing-header" not in sent


def red_square() -> bytes:
    """A PNG of 8 x 8 red pixels."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + b"\xff\0\0" * 8) * 8
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


def parts_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else []
