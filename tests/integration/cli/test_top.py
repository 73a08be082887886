"""`anyclaude top` beside a real proxy, and on a terminal."""

import json
import re
from pathlib import Path

from tests.support.children import ANYCLAUDE, bare_environment, run
from tests.support.clients import client_of
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import proxy_only
from tests.support.tmux import terminal


async def test_a_proxy_seen_by_a_script_and_by_a_person(tmp_path: Path) -> None:
    environ = bare_environment(tmp_path)
    top = [*ANYCLAUDE, "top"]
    async with OpenAIUpstream() as upstream, proxy_only(tmp_path, LMSTUDIO_URL=upstream.url) as proxy:
        async with client_of(proxy.url, proxy.token) as client:
            await client.events()
        told = await run([*top, "--once", "--json"], environ, tmp_path, 30)
        assert (told.exit_code, told.stderr) == (0, "")
        (one,) = json.loads(told.stdout)["proxies"]
        assert (one["pid"], one["streams"]) == (proxy.pid, 0)
        assert [(backend["name"], backend["done"]) for backend in one["backends"]] == [("lmstudio", 1)]
        assert proxy.token not in told.stdout
        async with terminal(top, environ, tmp_path) as screen:
            shown = await screen.until("q ends")
            assert re.search(rf"{proxy.pid} +lmstudio +scripted-model", shown)
            assert await screen.state("alternate_on") == ["1"]
            await screen.press("q")
            await screen.until("settings kept")
            assert "lmstudio" not in await screen.screen()
            assert await screen.state("alternate_on", "cursor_flag") == ["0", "1"]
        async with terminal(top, environ, tmp_path) as screen:
            await screen.until("q ends")
            await screen.press("C-c")
            ended = await screen.until("settings kept")
            assert "ended with 0" in ended
    nobody = await run([*top, "--once"], environ, tmp_path, 30)
    assert (nobody.exit_code, nobody.stdout) == (1, "")
    assert nobody.stderr.startswith("anyclaude: no proxy of yours is running")
    assert nobody.stderr.count("\n") == 1
