"""Points on what Claude Code does with answers: which it takes, and what it does about those that fail or tarry."""

import asyncio
import time

from tests.support.anthropic_upstream import Received, answers, frame, message, streams
from tests.support.conformance.stage import Point, Stage, blocks_of, call, ending, plays, stream, text
from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.script import Breaks, Refusal, Reply, Says, calls, reply

COMPACTING = "CRITICAL: Respond with TEXT ONLY"
TOO_LONG = "This model's maximum context length is 32768 tokens. However, your messages resulted in 40000 tokens."
TOO_MUCH = "input length and `max_tokens` exceed context limit: 20000 + 32000 > 32768, decrease either of them"
TOO_MUCH_OF_ITS_OWN = (
    "This model's maximum context length is 32768 tokens. However, you requested 52000 tokens "
    "(20000 in the messages, 32000 in the completion). Please reduce the length of the messages or completion."
)
SILENCE = 22.0  # seconds; the proxy sends its head after 10


async def compaction(stage: Stage) -> str:
    async with stage.proxied() as run:
        commands = [reply(calls("Bash", command=f"echo {number}")) for number in range(3)]
        summary = reply(Says("<summary>Three numbers were said.</summary>"))
        run.upstream.script(*commands, Refusal(400, TOO_LONG), summary, reply(Says("Done.")))
        answer = await run.ask("Say three numbers")
        asked = run.upstream.asked
        told = [record["error"] for record in run.records() if record.get("error")]
    assert len(asked) >= 5, f"after the refusal nothing came; Claude Code said {answer.text[:120]!r}"
    assert COMPACTING in asked[4].texts("user")[-1], "what came after the refusal was no request to sum up"
    assert answer.text == "Done.", f"it ended with {answer.text[:120]!r}"
    return f"told {told[0][:60]!r}, it summed up and went on"


async def named_events(stage: Stage) -> str:
    whole = stream(*text(0, "Streamed."))
    nameless = b"".join(line + b"\n" for line in whole.split(b"\n")[:-1] if not line.startswith(b"event:"))
    once_more = answers(message({"type": "text", "text": "Asked once more."}))
    alone = await Stage(stage.folder / "alone").alone("Say something", streams(nameless), once_more)
    asked = [bool(request.get("stream")) for request in alone.requests]
    assert asked == [True, False], f"a stream without event lines led to requests with stream {asked}"
    async with Stage(stage.folder / "proxied").proxied() as run:
        run.upstream.script(reply(Says("Streamed.")))
        answer = await run.ask("Say something")
    assert answer.text == "Streamed.", f"through the proxy it said {answer.text[:120]!r}"
    return "a stream without event lines is asked again without stream; the proxy's is read"


async def whole_blocks(stage: Stage) -> str:
    unclosed = [*text(0, "Lost.", closed=False), *call(1, "toolu_1", {"command": "echo ignored"})]
    alone = await stage.alone("Say something", plays(*unclosed), plays(*text(0, "Done.")))
    assert len(alone.requests) == 2, f"{len(alone.requests)} requests came, not 2"
    blocks = blocks_of(alone.requests[1])
    (called,) = [block for block in blocks if block["type"] == "tool_use"]
    assert called["input"] == {}, f"the input in a block's start was taken: {called['input']}"
    assert "Lost." not in str(blocks), "a block without an end was kept"
    return "a block without its end is lost, and so is the input of a call in its start"


async def signs_of_life(stage: Stage) -> str:
    sign = {
        "type": "message_delta",
        "delta": {"stop_reason": None, "stop_sequence": None},
        "usage": {"output_tokens": 0},
    }
    start = {"type": "message_start", "message": message(stop_reason=None) | {"usage": {"input_tokens": 0}}}
    counted = ending(input_tokens=555, cache_read_input_tokens=444, output_tokens=9)
    events = [start, sign, sign, sign, *text(0, "Late."), counted, {"type": "message_stop"}]
    alone = await stage.alone("Say something", streams(b"".join(map(frame, events))))
    kinds = [event["message"]["content"] for event in alone.answer.events if event["type"] == "assistant"]
    assert alone.answer.text == "Late.", f"it said {alone.answer.text[:120]!r}"
    assert [block["type"] for content in kinds for block in content] == ["text"], f"the answer holds {kinds}"
    usage = alone.answer.result["usage"]
    got = (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"])
    assert got == (555, 444, 9), f"usage came to {got}, not (555, 444, 9)"
    return "message_delta events that change nothing are taken, leave no block, and the last usage counts"


async def first_byte(stage: Stage) -> str:
    began = time.monotonic()
    late = plays(*text(0, "Done."))
    alone = await Stage(stage.folder / "alone").alone("Say something", Received.gone, late, API_TIMEOUT_MS="3000")
    assert len(alone.requests) == 2, f"a server that sent no head was asked {len(alone.requests)} times, not twice"
    assert time.monotonic() - began > 3
    async with Stage(stage.folder / "proxied").proxied(Slow(), API_TIMEOUT_MS="16000") as run:
        run.upstream.script(reply(Says("Late.")))
        answer = await run.ask("Say something")
        asked = len(run.upstream.asked)
    assert (answer.text, asked) == ("Late.", 1), f"through the proxy: {asked} requests, {answer.text[:120]!r}"
    return f"without a head it asks again in the end; the proxy's came within 16 s, the model's after {SILENCE:.0f}"


class Slow(OpenAIUpstream):
    """Thinks for SILENCE seconds before it answers at all."""

    async def _next_line(self, asked: Asked) -> Reply | Refusal:
        line = await super()._next_line(asked)
        if asked.body.get("tools"):
            await asyncio.sleep(SILENCE)
        return line


async def broken_streams(stage: Stage) -> str:
    async with Stage(stage.folder / "proxied").proxied() as run:
        run.upstream.script(reply(Says("Half of the ans"), Breaks(abort=True)), reply(Says("The whole.")))
        answer = await run.ask("Say something")
        first, second = run.requests()
    assert answer.text == "The whole.", f"it ended with {answer.text[:120]!r}"
    assert first["stream"] is True
    assert "stream" not in second, "it was asked again as a stream"
    assert {**second, "stream": True} == first, "what was asked again differs in more than stream"
    head = {"type": "message_start", "message": message(stop_reason=None)}
    cut = streams(b"".join(map(frame, [head, *text(0, "A block."), *text(1, "And hal", closed=False)])), end=b"")
    alone = await Stage(stage.folder / "alone").alone("Say something", cut)
    assert len(alone.requests) == 1, "a break behind a finished block was asked again"
    assert alone.answer.exit_code == 1, "a break behind a finished block was no error"
    return "broken in the first block: the same again without stream; behind it: shown as an error"


async def statuses(stage: Stage) -> str:
    async with stage.proxied() as run:
        busy = Refusal(429, "busy", headers=(("retry-after", "1"),))
        run.upstream.script(busy, Refusal(500, "stumbled"), Refusal(400, "the flux capacitor is empty"))
        answer = await run.ask("Say something")
        asked = len(run.upstream.asked)
    assert asked == 3, f"after a 429, a 500 and a 400 there were {asked} requests, not 3"
    assert "the flux capacitor is empty" in answer.text, f"it showed {answer.text[:120]!r}"
    assert answer.exit_code == 1
    return "429 and 500 are asked again, 400 is shown in the server's words"


async def smaller_answer(stage: Stage) -> str:
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": TOO_MUCH}}
    alone = await Stage(stage.folder / "alone").alone("Say something", answers(refusal, 400), plays(*text(0, "Done.")))
    asked = [request["max_tokens"] for request in alone.requests]
    assert len(asked) == 2, f"{len(asked)} requests came, not 2: {alone.answer.text[:120]!r}"
    assert asked[1] == 32_768 - 20_000 - 1_000, f"the second asked for {asked[1]} tokens, not 11768"
    async with Stage(stage.folder / "proxied").proxied() as run:
        run.upstream.script(Refusal(400, TOO_MUCH_OF_ITS_OWN), reply(Says("Done.")))
        answer = await run.ask("Say something")
    assert answer.text == "Done.", f"through the proxy it ended with {answer.text[:120]!r}"
    limits = [one.body.get("max_tokens") or one.body.get("max_completion_tokens") for one in run.upstream.asked]
    return f"max_tokens went from {asked[0]} to {asked[1]}; through the proxy from {limits[0]} to {limits[-1]}"


POINTS = (
    Point(2, "`prompt is too long: A tokens > B maximum` compacts", compaction),
    Point(3, "every event has a line with its name", named_events),
    Point(4, "every block has start, deltas and end", whole_blocks),
    Point(6, "empty message_delta events are signs of life", signs_of_life),
    Point(7, "the wait for the first byte is bounded", first_byte),
    Point(8, "a break in the first block is asked again whole", broken_streams),
    Point(9, "errors before the stream are HTTP statuses", statuses),
    Point(10, "too large a max_tokens is asked again smaller", smaller_answer),
)
