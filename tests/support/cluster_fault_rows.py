"""The catalogue of what may go wrong with the nodes of a cluster, and the tests that hold it."""

from typing import Final

from tests.support.fault_rows import row

_REAL, _UNIT = "tests/integration/backends", "tests/unit/cluster"

CLUSTER: Final = (
    row(
        "N1",
        "a node dies, before and after its first word; each fault of an upstream at one node of three",
        "before it another node answers, after it there is one error",
        _REAL,
        "cluster_kills::nothing_is_lost_before_its_first_word",
        "cluster_faults::a_node_that_hangs_for_a_while_loses_nothing",
        "mlx_cluster::a_node_that_does_not_take_it_costs_nobody_an_answer",
        "mlx_cluster::a_node_that_breaks_before_its_first_word_costs_nobody_an_answer",
        "mlx_cluster::what_was_seen_stays_with_its_node",
        "tests/integration/faults/test_upstream.py::test_what_a_client_sees_of_a_fault_at_one_node_of_three",
    ),
    row(
        "N2",
        "a node that comes and goes",
        "nothing is lost, it is left alone; three misses to go, two answers to come back",
        _REAL,
        "cluster_kills::a_node_that_flaps_loses_nobody_and_is_left_alone",
        f"{_UNIT}/test_health.py::test_it_takes_three_in_a_row_to_go_and_two_to_come_back",
        f"{_UNIT}/test_health.py::test_the_status_of_alternating_probes_settles",
    ),
    row(
        "N3",
        "all nodes are down",
        "529 at once, with what each of them lacks; over when one is back",
        _REAL,
        "cluster_faults::all_down_is_told_at_once_and_over_when_one_is_back",
        "cluster_lies::nobody_there_is_told_at_once",
        "cluster_lies::nodes_that_die_with_the_request_are_told_as_nobody_there",
        "cluster_queue::when_all_nodes_are_down_nobody_waits",
    ),
    row(
        "N4",
        "a node that is slow; one that hangs",
        "who computes is waited for, who hangs is not; no other is held up",
        _REAL,
        "cluster_faults::a_node_that_hangs_for_a_while_loses_nothing",
        "cluster_lies::who_waits_at_a_node_that_hangs_goes_elsewhere",
        "cluster_lies::who_waits_at_the_only_node_waits_on_while_it_is_slow_to_answer_probes",
        "cluster_lies::another_server_than_ours_may_be_silent_to_probes_while_it_computes",
        "fleet::a_node_that_hangs_delays_no_probe_of_another",
        f"{_UNIT}/test_health.py::test_a_dead_node_is_noticed_within_seconds_however_long_the_interval",
    ),
    row(
        "N5",
        "a node that lies about its model, its context or its numbers, or is none",
        "it is not asked, and the status says why",
        _REAL,
        "cluster_lies::a_node_that_is_none",
        "cluster_lies::a_node_that_becomes_another",
        "cluster_lies::numbers_that_cannot_be_take_nobody_in",
        "cluster_lies::a_list_of_models_that_cannot_be",
        "cluster_faults::a_node_that_comes_back_as_another_is_never_asked",
    ),
    row(
        "N6",
        "everybody runs to a node that comes back",
        "one request goes there until it has begun; sessions stay where they are",
        _REAL,
        "cluster_herd::who_comes_back_gets_one_request_until_it_has_begun",
        f"{_UNIT}/test_breaker.py::test_the_way_back",
        f"{_UNIT}/test_members.py::test_a_node_that_was_away_gets_one_request_first_however_few_had_failed",
        f"{_UNIT}/test_cache_aware.py::test_nobody_runs_to_the_node_that_comes_back",
    ),
    row(
        "N7",
        "sessions that stay at a node that is full or busy",
        "others take them, until their own has room",
        _REAL,
        "cluster_queue::a_full_node_sends_its_requests_to_another_one_that_has_room",
        "cluster_queue::a_session_comes_home_after_its_home_was_full",
        "mlx_cluster::new_sessions_spread",
        f"{_UNIT}/test_cache_aware.py::test_a_node_that_is_busy_gets_no_new_session",
        f"{_UNIT}/test_cache_aware.py::test_a_session_moves_when_the_wait_at_home_is_worth_computing_it_anew",
    ),
)
