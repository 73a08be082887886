"""Every row of the tables of an upstream's faults, on each kind of backend: once as it comes, once cut.

The measure `faults` takes all cuts of all rows on all backends, many times over.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from anyclaude.server.serve import serving
from tests.support.chunk_faults import CHUNK_FAULTS
from tests.support.clients import TOKEN
from tests.support.fault_scenarios import cut_chunked, trailers
from tests.support.fault_trials import DEADLINES, KINDS, BackendKind, Trial, asked, backend_of
from tests.support.faulty_upstream import ANTHROPIC, OPENAI, Cuts, Cutting, faulty_upstream
from tests.support.oracle import quiet_log
from tests.support.ports import HeldPort
from tests.support.upstream_faults import FAULTS, Fault

ROWS: Sequence[Fault] = (*FAULTS, *CHUNK_FAULTS)
CUTS: Mapping[BackendKind, Sequence[Cutting]] = {
    "lmstudio": ("whole", "bytes"),
    "openrouter": ("random",),
    "cluster": ("whole",),
    "claude": ("whole", "random"),
}
ONE_OF_A_KIND: Sequence[BackendKind] = ("lmstudio", "claude")


def _cases() -> Iterator[object]:
    for fault in ROWS:
        for kind in KINDS if fault in FAULTS and not (fault.waits or fault.large) else ONE_OF_A_KIND:
            if Trial(kind, Cuts()).expected(fault) is not None:
                yield pytest.param(fault, kind, id=f"{fault.name}, {kind}")


@pytest.mark.parametrize(("fault", "kind"), list(_cases()))
async def test_what_a_client_sees(fault: Fault, kind: BackendKind, tmp_path: Path) -> None:
    with quiet_log():
        for how in CUTS[kind][:1] if fault.waits or fault.large else CUTS[kind]:
            await Trial(kind, Cuts(how, seed=1), home=tmp_path).run(fault)


WHOLE = [fault for fault in FAULTS if not (fault.waits or fault.large)]


@pytest.mark.parametrize("fault", WHOLE, ids=[fault.name for fault in WHOLE])
async def test_what_a_client_that_wants_it_in_one_piece_sees(fault: Fault) -> None:
    with quiet_log():
        await Trial("lmstudio", Cuts(), stream=False).run(fault)


AT_ONE_NODE = [fault for fault in FAULTS if not fault.large]


@pytest.mark.parametrize("fault", AT_ONE_NODE, ids=[fault.name for fault in AT_ONE_NODE])
async def test_what_a_client_sees_of_a_fault_at_one_node_of_three(fault: Fault) -> None:
    """Before the first word another node answers; after it there is one error, and it is honest."""
    with quiet_log():
        await Trial("cluster", Cuts(), one_bad=True).run(fault)


def test_every_fault_of_the_catalogue_has_a_row() -> None:
    """U33 to U40 have parts elsewhere: TLS with the attacks, a restart below."""
    elsewhere = {"U39", "U40"}
    assert {f"U{number}" for number in range(1, 41)} - {fault.number for fault in ROWS} == elsewhere
    assert len({fault.name for fault in ROWS}) == len(ROWS)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_was_started_anew_answers_the_next_question(kind: BackendKind, tmp_path: Path) -> None:
    """U40: another process on the same port, after an answer and after one that was cut."""
    says, kinds = ANTHROPIC if kind == "claude" else OPENAI, []
    with quiet_log(), HeldPort() as port:
        backend = backend_of(kind, [f"http://127.0.0.1:{port.number}/v1"], DEADLINES[""], tmp_path)
        async with serving(backend, TOKEN, drain=0) as address:
            for scenario in (trailers, cut_chunked, trailers):
                async with faulty_upstream(scenario, says, Cuts(), port=port.number):
                    _, outcome = await asked(address.url, kind)
                    kinds.append(outcome.kind)
    assert kinds[::2] == ["whole", "whole"]
    assert kinds[1] != "whole"
