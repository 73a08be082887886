"""The rows of the scoreboard: what is promised, and which measure tells whether it is kept."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Row:
    """One line of the table; `program` is the measure's name without its ending."""

    id: str
    title: str
    target: str
    program: str


ROWS: Final = (
    Row(
        "R1a",
        "faults of an upstream, on each backend, whole, byte by byte and cut at random",
        "none passes for whole, hangs, leaves a traceback or breaks the grammar",
        "faults",
    ),
    Row("R1b", "faults of a client", "as R1a", "clients"),
    Row("R2", "recorded streams, cut at every byte, and 20,000 generated ones", "no difference", "splits"),
    Row(
        "R3",
        "fuzzing: decoders, scanner, conversion, configuration",
        "no unexpected exception, RSS under 200 MB",
        "fuzz",
    ),
    Row(
        "R4",
        "a client leaves: time until the upstream sees it",
        "p50 under 5 ms, p99 under 50 ms; 50 at once under 100 ms",
        "cancels",
    ),
    Row(
        "R5",
        "connections after 5,000 cancelled requests, a fifth cancelled twice",
        "none left, none refused",
        "cancels",
    ),
    Row(
        "R6",
        "a client leaves the worker",
        "at most one token or one chunk of the prompt and 20 ms; the place is free in 50 ms",
        "worker",
    ),
    Row(
        "R7",
        "200 MB for a client that reads slowly",
        "RSS grows by less than 10 MB, the upstream waits before 16 MB",
        "readers",
    ),
    Row(
        "R8",
        "10,000 streams of 20 events",
        "RSS grows by less than 5 MB; descriptors, threads, tasks as before",
        "streams",
    ),
    Row(
        "R9",
        "64 streams at once for a minute",
        "no error, Jain's fairness over 0.95, loop lag p99 under 20 ms",
        "streams",
    ),
    Row("R10", "what the proxy adds", "first byte p50 under 2 ms, p99 under 10 ms; under 0.2 ms an event", "overhead"),
    Row(
        "R11",
        "SIGTERM with 0, 1 and 20 streams",
        "each finished or told; the right exit code; within the grace and 1 s; no zombie",
        "draining",
    ),
    Row(
        "R12",
        "exit codes 0 to 255 and five signals; the terminal afterwards",
        "all handed on; the terminal as before",
        "exits",
    ),
    Row(
        "R13",
        "kill -9 while traces are written, 200 times; a full disk, 50 times",
        "no earlier record lost, no request failed, permissions right",
        "traces",
    ),
    Row("R14", "20 secrets, searched for in every output, file and process argument", "none found", "canaries"),
    Row("R15", "requests that attack", "all refused, each with the expected code", "attacks"),
    Row(
        "R16",
        "the worst body",
        "memory at most 10 times the body and 20 MB, CPU at most 2 s for 64 MB",
        "amplification",
    ),
    Row(
        "R17", "40 broken configuration files", "one line with file and key each, exit code 2, no traceback", "configs"
    ),
    Row(
        "R18",
        "a cluster's node killed 100 times under load",
        "nothing lost before the first event, one error for each broken stream, answered elsewhere in 5 s",
        "cluster",
    ),
    Row("R19", "a worker's engine that hangs or dies", "health bad in 2 s, who waits is told in 3 s", "worker"),
    Row("R20", "the tests with processes and sockets, in random order beside busy loops", "no flake", "flakes"),
)
