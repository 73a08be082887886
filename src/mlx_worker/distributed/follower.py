"""Every rank but the first: makes the leader's calls on its own part of the model until the leader is gone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mlx_worker.distributed.channel import Channel, ChannelClosed, Message
from mlx_worker.distributed.shard import SHAPE, Shard
from mlx_worker.runner import Runner

FAILED_SECONDS = 10.0


class OutOfStep(Exception):
    """This rank and the leader did not come to the same end. The message says where."""


def follow(channel: Channel, runner: Runner) -> None:
    """Returns when the leader is gone. Raises OutOfStep, after which nothing can be computed together any more."""
    shard = Shard(runner)
    with ThreadPoolExecutor(1, "grammars") as beside:
        try:
            while True:
                _one(channel.receive(), channel, shard, lambda work: beside.submit(work))
        except ChannelClosed:
            return
        finally:
            beside.shutdown(wait=False, cancel_futures=True)


def _one(message: Message, channel: Channel, shard: Shard, beside: Callable[[Callable[[], None]], object]) -> None:
    if compiled := message.get("compile"):
        tools, shape = compiled[0], SHAPE.validate_python(compiled[1])
        beside(lambda: shard.runner.compile(tools, shape))
        return
    if "failed" in message:
        raise OutOfStep(f"{message['failed']} failed on the first host, but not here")
    shard.forget(message["forget"])
    name = message["call"]
    try:
        shard.calls[name](*message["arguments"])
    except Exception as error:  # whatever it is: right if it is the leader's failure too
        _failed_there_too(channel, name, error)


def _failed_there_too(channel: Channel, name: str, error: Exception) -> None:
    while True:
        message = channel.receive_within(FAILED_SECONDS)
        if "compile" not in message:
            break
    if message.get("failed") != name:
        raise OutOfStep(f"{name} failed here, but not on the first host: {type(error).__name__}: {error}") from error
