r"""Half of a surrogate pair in a tool call's arguments (`{"text": "\ud83d"}`) broke the worker, both ways.

Written by the model, the answer ended in the middle, without a word, because no JSON can carry it. Sent by a client in
a conversation, the request was a 500, because no tokenizer takes it. And a NaN among the arguments went out as it was.
"""

import json
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from mlx_worker.events import Finished, TextPiece, ToolArguments, ToolCallBegun
from mlx_worker.output import OutputReader, Piece
from mlx_worker.streaming import ChunkWriter, encode_batch
from tests.support import tiny_model
from tests.support.fake_runner import FakeRunner
from tests.support.worker import real_worker


def read(call: str) -> list[Piece]:
    """What comes of a call that the model wrote so."""
    output = OutputReader(replace(FakeRunner().markers, parse_tool=lambda text, tools: json.loads(text)))
    return [piece for text in ("<call>", call, "</call>") for piece in output.feed(text)] + output.end()


def test_half_a_character_that_the_model_wrote() -> None:
    pieces = read(r'{"name": "f", "arguments": {"half": "\ud83d", "whole": "\ud83d\ude00"}}')
    begun, arguments = pieces
    assert begun == ToolCallBegun("f")
    assert isinstance(arguments, ToolArguments)
    assert orjson.loads(arguments.json) == {"half": "\ufffd", "whole": "\U0001f600"}
    assert encode_batch(ChunkWriter("model", 1), [*pieces, Finished("tool_calls", 3)])


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_arguments_that_no_json_can_carry_are_text(number: str) -> None:
    written = f'{{"name": "f", "arguments": {{"x": {number}}}}}'
    assert read(written) == [TextPiece(f"<call>{written}</call>")]


def test_half_a_character_that_a_client_sends(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"text": "\ud83d"})}}
    asked = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    with real_worker(tiny_model.build(tmp_path / "model").folder) as worker:
        assert worker.ask(asked, max_tokens=2)["usage"]["completion_tokens"] > 0
