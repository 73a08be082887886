"""The line now and then."""

import threading

from mlx_worker.so_far import so_far


def test_what_takes_its_time_is_told_and_then_no_more() -> None:
    lines: list[str] = []
    twice = threading.Event()

    def progress(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            twice.set()

    with so_far(progress, "model: converting", every=0.01):
        assert twice.wait(10)
    told = len(lines)
    assert all(line.startswith("model: converting, for 0 s so far") for line in lines)
    assert not any(thread.name == "so-far" for thread in threading.enumerate())
    assert len(lines) == told


def test_a_moment_is_not_told() -> None:
    lines: list[str] = []
    with so_far(lines.append, "x"):
        pass
    assert lines == []
