"""One model over two and three ranks on this machine, with the ring backend: the same answers, and no rank survives."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import tiny_model
from tests.support.children import bare_environment
from tests.support.group import LIMIT, Group, command, group, started
from tests.support.tiny_model import WEATHER_TOOL
from tests.support.worker import real_worker

HI = [{"role": "user", "content": "hi"}]
HELLO = "Hello! How can I help you today?"
NEVER_ENDING = {"messages": HI, "stream": True, "max_tokens": 20_000, "logit_bias": {"2": -100}}  # 2 ends a turn


@pytest.fixture(scope="module")
def pair(trained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    with group(trained_model, tmp_path_factory.mktemp("home"), 2) as both:
        yield both


@pytest.fixture(scope="module")
def layered_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a kind that can be split by layers."""
    folder = tmp_path_factory.mktemp("models") / "layered"
    tiny_model.build(folder, "qwen2")
    return folder


def text_of(answer: Any) -> Any:
    return answer["choices"][0]["message"]["content"]


def test_two_parts_say_what_the_whole_says(pair: Group) -> None:
    answer = pair.ask(HI)
    assert text_of(answer) == HELLO
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_tool_call_is_held_to_its_grammar_on_every_rank(pair: Group) -> None:
    answer = pair.ask([{"role": "user", "content": "weather in Paris"}], tools=[WEATHER_TOOL])
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("get_weather", {"city": "Paris"})
    forced = pair.ask(HI, tools=[WEATHER_TOOL], tool_choice="required", max_tokens=200)
    assert forced["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"


def test_later_turns_start_from_what_all_ranks_have_kept(pair: Group) -> None:
    asked = [{"role": "user", "content": "who are you? " * 20}]
    first = pair.ask(asked, max_tokens=8)
    turns = [*asked, {"role": "assistant", "content": text_of(first)}, {"role": "user", "content": "and now?"}]
    second = pair.ask(turns, max_tokens=8)
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] >= first["usage"]["prompt_tokens"] - 8
    again = pair.ask(turns, max_tokens=8)
    assert text_of(again) == text_of(second)
    assert pair.client.delete("/cache").status_code == 200
    alone = pair.ask(turns, max_tokens=8)
    assert (text_of(alone), alone["usage"]["prompt_tokens_details"]["cached_tokens"]) == (text_of(second), 0)


def test_chance_falls_the_same_way_on_every_rank(pair: Group) -> None:
    for _ in range(3):
        pair.ask(HI, temperature=1.5, max_tokens=30, logit_bias={"2": -100})
    assert text_of(pair.ask(HI)) == HELLO


def test_a_request_whose_client_leaves_is_dropped_on_every_rank(pair: Group) -> None:
    with pair.client.stream("POST", "/v1/chat/completions", json=NEVER_ENDING) as answer:
        next(answer.iter_lines())
    assert text_of(pair.ask(HI)) == HELLO


def test_a_lost_rank_is_told_and_the_group_starts_again(pair: Group) -> None:
    before = pair.ranks()
    lines = []
    with pair.client.stream("POST", "/v1/chat/completions", json=NEVER_ENDING) as answer:
        for line in filter(None, answer.iter_lines()):
            lines.append(line)
            if len(lines) == 20:
                before[1].kill()
    assert "host 1 of the group was lost" in json.loads(lines[-1].removeprefix("data: "))["error"]["message"]
    gone, alive = psutil.wait_procs(before, LIMIT)
    assert (len(gone), alive) == (2, [])
    pair.until_ready()
    assert text_of(pair.ask(HI)) == HELLO


@pytest.mark.parametrize("count", [2, 3])
def test_a_model_split_by_layers(layered_model: Path, tmp_path: Path, count: int) -> None:
    asked = [{"role": "user", "content": "one two three"}]
    with real_worker(layered_model) as whole:
        expected = text_of(whole.ask(asked, max_tokens=24))
    with group(layered_model, tmp_path, count, "--pipeline", MLX_WORKER_TOKEN="a secret") as parts:
        parts.client.headers["Authorization"] = "Bearer a secret"
        ranks = parts.ranks()
        assert len(ranks) == count
        assert text_of(parts.ask(asked, max_tokens=24)) == expected
        assert not any("a secret" in " ".join(rank.cmdline()) for rank in ranks)
        parts.supervisor.send_signal(signal.SIGTERM)
        assert parts.supervisor.wait(LIMIT) == 128 + signal.SIGTERM
        assert psutil.wait_procs(ranks, LIMIT)[1] == []
        with socket.create_server(("127.0.0.1", parts.client.base_url.port or 0)):
            pass  # the port is free


def test_a_machine_is_reached_over_ssh_and_no_rank_outlives_its_supervisor(layered_model: Path, tmp_path: Path) -> None:
    """An ssh that stays on this machine: it runs the command that it is given, as a login shell would."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text('#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c "$last"\n')
    ssh.chmod(0o755)
    hosts = [{"ssh": "127.0.0.1", "ips": ["127.0.0.1"]}, {"ssh": "me@mac2.local", "ips": ["127.0.0.1"]}]
    written = command(layered_model, tmp_path / "hosts.json", 2)
    (tmp_path / "hosts.json").write_text(json.dumps({"hosts": hosts, "envs": ["ODD=it's a; value"]}))
    with started(written, tmp_path, PATH=f"{ssh.parent}:{os.environ['PATH']}", MLX_WORKER_TOKEN="a secret") as both:
        both.client.headers["Authorization"] = "Bearer a secret"
        here, there = both.ranks()
        assert there.environ()["ODD"] == "it's a; value"
        assert "MLX_WORKER_TOKEN" not in there.environ()
        assert text_of(both.ask(HI, max_tokens=4))
        both.supervisor.kill()
        assert psutil.wait_procs([here, there], LIMIT)[1] == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "its 2 key-value heads do not divide by 3; take another number of hosts, or --pipeline"),
        (("--pipeline",), "does not support pipelining"),
    ],
)
def test_a_model_that_cannot_be_split_is_refused_at_once(
    trained_model: Path, tmp_path: Path, flags: tuple[str, ...], words: str
) -> None:
    done = subprocess.run(
        command(trained_model, tmp_path / "hosts.json", 3, *flags),
        env=bare_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
