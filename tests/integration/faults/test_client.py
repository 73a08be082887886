"""Every row of the table of clients' faults, before a model server and before Claude; before a cluster those that
reach it. The measure `clients` takes all of them everywhere, many times.
"""

import pytest

from tests.support.client_faults import CLIENT_FAULTS, CONNECTED, LEAVING, SLOW
from tests.support.client_scenarios import ClientFault
from tests.support.client_trials import PROXIES, ClientTrial
from tests.support.oracle import quiet_log

ROWS = [
    pytest.param(ClientTrial(kind), fault, id=f"{kind} {fault.name}")
    for fault in CLIENT_FAULTS
    for kind in PROXIES
    if (kind != "cluster" or fault in (*LEAVING, SLOW[0], *CONNECTED)) and ClientTrial(kind).expected(fault) is not None
]


@pytest.mark.parametrize(("trial", "fault"), ROWS)
async def test_a_fault(trial: ClientTrial, fault: ClientFault) -> None:
    with quiet_log():
        await trial.run(fault)
