"""Points on what Claude Code sends: which requests come, what stands in them, and when they come or are left."""

import asyncio
import json
import time

from tests.support.conformance.stage import (
    DEADLINE,
    LONG_ENOUGH_FOR_A_TITLE,
    Point,
    Proxied,
    Stage,
    blocks_of,
    call,
    plays,
    text,
)
from tests.support.meeting import Meeting
from tests.support.openai_upstream import Asked
from tests.support.script import Calls, Reply, Says, Together, Waits, calls, reply
from tests.support.tmux import terminal

PROMPT_SIGN = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"


async def system_messages(stage: Stage) -> str:
    async with stage.proxied() as run:
        run.upstream.script(reply(Says("Done.")))
        await run.ask("Say done")
        (sent,), (asked,) = run.requests(), run.upstream.asked
    roles = [message["role"] for message in sent["messages"]]
    assert "system" in roles, f"no message of role system, only {roles}"
    assert roles[0] == "user", f"the first message is of role {roles[0]}"
    got = [message["role"] for message in asked.messages]
    assert got.count("system") == 1, f"the upstream got {got}"
    assert got[0] == "system", f"the upstream got {got}"
    return f"sent {' '.join(roles)}; the model got {' '.join(got)}"


async def unique_ids(stage: Stage) -> str:
    same = json.dumps({"command": "echo same"})
    turns = [plays(*call(0, "call_0", {}, same)), plays(*call(0, "call_0", {}, same)), plays(*text(0, "Done."))]
    alone = await Stage(stage.folder / "alone").alone("Say same twice", *turns)
    kept = [block["type"] for block in blocks_of(alone.requests[2])].count("tool_use")
    assert kept == 1, f"of two calls with one id {kept} stayed in the conversation, not 1"
    async with Stage(stage.folder / "proxied").proxied() as run:
        run.upstream.script(*(reply(Calls("Bash", same, id="call_0")) for _ in range(2)), reply(Says("Done.")))
        await run.ask("Say same twice")
        results = run.upstream.asked[2].tool_results()
    assert results == ["same", "same"], f"through the proxy the model saw {results}"
    return "a second call with an id that was used is lost; through the proxy both results reach the model"


async def counts(stage: Stage) -> str:
    alone = await Stage(stage.folder / "alone").alone("/context", counts=False)
    counted, instead = (len(alone.far.to(path)) for path in ("/v1/messages/count_tokens", "/v1/messages"))
    assert counted, "/context asked for no count"
    assert instead, "where nothing is counted, no completion was asked for instead"
    async with Stage(stage.folder / "proxied").proxied() as run:
        answer = await run.ask("/context")
        asked = len(run.upstream.asked) + len(run.upstream.side)
    assert "Tokens" in answer.text, f"/context said {answer.text[:80]!r}"
    assert asked == 0, f"through the proxy /context cost {asked} completions"
    return f"/context asked for {counted} counts, and for {instead} completions where there are none; proxied: none"


async def without_tools(stage: Stage) -> str:
    async with stage.proxied() as run:
        await _titled(run)
        titles, (got, *_) = run.requests(main=False), run.upstream.side
    assert titles, "no request without tools came"
    assert titles[0].get("tools") == [], f"the title request has tools: {titles[0].get('tools')!r}"
    assert "tools" not in got.body, f"the upstream got tools: {got.body['tools']!r}"
    return "the title request has an empty list of tools; the upstream got none"


async def everything_new(stage: Stage) -> str:
    async with stage.proxied() as run:
        await _titled(run)
        (sent,), (title, *_) = run.requests(), run.requests(main=False)
        got = run.upstream.asked[0].body
        betas = run.records()[0]["request"]["headers"].get("anthropic-beta", "")
    assert sent.get("thinking", {}).get("type") == "adaptive", f"thinking: {sent.get('thinking')}"
    assert sent.get("output_config", {}).get("effort"), f"output_config: {sent.get('output_config')}"
    assert sent.get("context_management"), "no context_management"
    assert "thinking" not in title, f"the title request thinks: {title['thinking']}"
    passed_on = {"thinking", "output_config", "context_management", "metadata"} & set(got)
    assert not passed_on, f"the upstream got {sorted(passed_on)}"
    effort = sent["output_config"]["effort"]
    return f"adaptive thinking, effort {effort}, context_management, {len(betas.split(','))} betas; upstream got none"


def _group(asked: Asked) -> str | None:
    if not asked.body.get("tools"):
        return "title and turn"
    if "Count part" in asked.texts("user")[-1]:
        return "subagents"
    return None if asked.tool_results() else "title and turn"


def _three_agents(asked: Asked) -> Reply:
    orders = [{"description": "Count", "prompt": f"Count part {n}", "subagent_type": "general-purpose"} for n in "123"]
    return reply(Together(tuple(calls("Agent", **order) for order in orders)))


def _part_or_end(asked: Asked) -> Reply:
    return reply(Says("Counted." if "Count part" in asked.texts("user")[-1] else "Done."))


async def at_once(stage: Stage) -> str:
    sizes = {"title and turn": 2, "subagents": 3}
    async with stage.proxied(Meeting(_group, sizes)) as run:
        run.upstream.script(_three_agents)
        run.upstream.play(_part_or_end)
        await run.ask(LONG_ENOUGH_FOR_A_TITLE)
        met = run.upstream.met if isinstance(run.upstream, Meeting) else set()
    missing = set(sizes) - met
    assert not missing, f"not asked at the same time: {', '.join(sorted(missing))}"
    return "title and first turn came at once, three subagents too, and the proxy passed them on side by side"


async def leaving(stage: Stage) -> str:
    async with stage.proxied() as run:
        run.upstream.script(reply(Says("Once upon a time.\n\nThere was"), Waits()))
        async with terminal(run.claude.command(), run.claude.environ, run.claude.work) as screen:
            await screen.until(PROMPT_SIGN, DEADLINE)
            await screen.type("Tell me a story")
            await screen.until("Tell me a story")
            await screen.press("Enter")
            first = await run.upstream.turn(1)
            await screen.until("Once upon a time")
            pressed = time.monotonic()
            await screen.press("Escape")
            async with asyncio.timeout(20):
                await first.left.wait()
            took = time.monotonic() - pressed
    assert took < 5, f"the upstream was left only {took:.1f} s after Esc"
    return f"{took:.1f} s after Esc the upstream was left"


async def _titled(run: Proxied) -> None:
    """A session with a title: the title may come after the turn, and is waited for."""
    run.upstream.script(reply(Says("Done.")))
    await run.ask(LONG_ENOUGH_FOR_A_TITLE)
    assert run.upstream.side, "no title was asked for"


POINTS = (
    Point(1, "messages of role system stand among the others", system_messages),
    Point(5, "ids of calls are unique in a conversation", unique_ids),
    Point(11, "/context counts tokens on count_tokens", counts),
    Point(12, "a request may have an empty list of tools", without_tools),
    Point(13, "unknown models get everything new", everything_new),
    Point(14, "requests come at the same time", at_once),
    Point(15, "who presses Esc closes the connection", leaving),
)
