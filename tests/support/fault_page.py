"""The catalogue of faults as a page: python -m tests.support.fault_page > docs/reference/faults.md"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, TypeVar

from tests.support.chunk_faults import CHUNK_FAULTS
from tests.support.client_faults import CLIENT_FAULTS
from tests.support.client_scenarios import ClientFault
from tests.support.cluster_fault_rows import CLUSTER
from tests.support.fault_rows import CHILD, PROCESS, WORKER, FaultRow
from tests.support.upstream_faults import FAULTS, Fault

Played = TypeVar("Played", Fault, ClientFault)

_LEFT: Final = "the model server is let go"
_OUTCOMES: Final[Mapping[str | int, str]] = {
    "whole": "the whole answer",
    "refused": "an HTTP error",
    "error event": "an `error` event",
}
_FAULTS: Final = "tests/integration/faults"
_UPSTREAM: Final = (
    f"{_FAULTS}/test_upstream.py::test_what_a_client_sees",
    f"{_FAULTS}/test_upstream.py::test_what_a_client_sees_of_a_fault_at_one_node_of_three",
)

_ELSEWHERE: Final = (
    FaultRow(
        "U39",
        "a certificate of another name, out of date, signed by nobody",
        "an HTTP error, and nothing was sent",
        ("tests/integration/attacks/test_tls.py::test_who_is_not_who_he_says_gets_nothing",),
    ),
    FaultRow(
        "U40",
        "another process on the same port",
        "the next request works",
        (f"{_FAULTS}/test_upstream.py::test_a_server_that_was_started_anew_answers_the_next_question",),
    ),
)
"""What is no row of the tables that are played."""

_HEAD: Final = """\
# Faults: what may go wrong, and what comes of it

A client sees one of three things, whatever went wrong: a whole answer whose end was observed, an answer that ends in
one `error` event, or an HTTP error in Anthropic's shape; within the deadline, with no traceback, and the model server
is let go. Each fault is tried by the tests that are named here (in `tests`). Those of model servers and of clients are
played row by row, whole, byte by byte and cut at random, before each backend; how often, and with which outcome, stands
on the [scoreboard](reliability.md).

This page is made of the tables of faults by `python -m tests.support.fault_page`; a test holds that it is theirs, and
that every test is there.
"""


def rows() -> list[FaultRow]:
    """The whole catalogue, in its order."""
    return [*_of_upstreams(), *_ELSEWHERE, *_of_clients(), *PROCESS, *CHILD, *WORKER, *CLUSTER]


def page() -> str:
    parts = {"U": "Model servers", "C": "Clients", "P": "The process", "K": "Claude Code, our child", "W": "The worker"}
    lines = [_HEAD]
    for letter, name in {**parts, "N": "The cluster's nodes"}.items():
        lines += [f"## {name}\n", "| | what goes wrong | what comes of it | tests |", "|---|---|---|---|"]
        lines += [_line(row) for row in rows() if row.id[0] == letter] + [""]
    return "\n".join(lines)


def _line(row: FaultRow) -> str:
    return f"| {row.id} | {row.what} | {row.expected} | {'; '.join(_by_file(row.tests))} |"


def _by_file(tests: Iterable[str]) -> Iterator[str]:
    """The functions behind their file, in one go."""
    files: dict[str, list[str]] = {}
    for test in tests:
        file, _, function = test.removeprefix("tests/").partition("::")
        files.setdefault(file, []).append(f"`{function}`")
    return (f"{file}: {', '.join(functions)}" for file, functions in files.items())


def _of_upstreams() -> Iterator[FaultRow]:
    for number, faults in _by_number((*FAULTS, *CHUNK_FAULTS)):
        tests = _UPSTREAM if any(fault in FAULTS and not fault.large for fault in faults) else _UPSTREAM[:1]
        outcomes = [fault.openai or fault.claude or "" for fault in faults]
        yield FaultRow(number, _names(faults), _told(outcomes), tests)


def _of_clients() -> Iterator[FaultRow]:
    for number, faults in _by_number(CLIENT_FAULTS):
        outcomes = [outcome for fault in faults for outcome in fault.expected or (_LEFT,)]
        yield FaultRow(number, _names(faults), _told(outcomes), (f"{_FAULTS}/test_client.py::test_a_fault",))


def _by_number(faults: Sequence[Played]) -> Iterator[tuple[str, list[Played]]]:
    ordered = sorted(faults, key=lambda fault: int(_number(fault)[1:]))
    return ((number, list(same)) for number, same in groupby(ordered, _number))


def _number(fault: Fault | ClientFault) -> str:
    return fault.name.partition(" ")[0]


def _names(faults: Sequence[Fault | ClientFault]) -> str:
    return "; ".join(fault.name.partition(" ")[2] for fault in faults)


def _told(outcomes: Iterable[str | int]) -> str:
    told = dict.fromkeys(_OUTCOMES.get(outcome, str(outcome)) for outcome in outcomes)
    return ", ".join(told)


if __name__ == "__main__":
    sys.stdout.write(page())
