"""What was no HTTP in the middle of an answer ended it only at the deadline, ten minutes later.

Where the end of a chunk and the fault came in one read, even an error that was told was not heard.
"""

import pytest

from tests.support.fault_scenarios import no_chunk_in_the_middle
from tests.support.fault_trials import KINDS, BackendKind, Trial
from tests.support.faulty_upstream import CUTTINGS, Cuts, Cutting
from tests.support.upstream_faults import Fault

FAULT = Fault("no chunk in mid-stream", no_chunk_in_the_middle, "error event", "broken")


@pytest.mark.parametrize("how", CUTTINGS)
@pytest.mark.parametrize("kind", KINDS)
async def test_it_ends_at_once(kind: BackendKind, how: Cutting) -> None:
    await Trial(kind, Cuts(how)).run(FAULT)
