"""The catalogue of what may go wrong with the process, its child and the worker, and the tests that hold it.

`tests/unit/support/test_fault_rows.py` sees that the tests are there. The cluster has its rows in `cluster_fault_rows`;
what happens at the wire is played, row by row, from `upstream_faults`, `chunk_faults` and `client_faults`.
"""

from dataclasses import dataclass
from typing import Final

_LAUNCH, _FAULTS, _WORKER = "tests/integration/launch", "tests/integration/faults", "tests/integration/mlx_worker"
_CONFIG, _UNIT = "tests/unit/config", "tests/unit/mlx_worker"


@dataclass(frozen=True)
class FaultRow:
    """tests: `file::function`."""

    id: str
    what: str
    expected: str
    tests: tuple[str, ...]


def row(id: str, what: str, expected: str, folder: str, *tests: str) -> FaultRow:
    """Tests of one folder, by the file's name without `test_` and its ending; whole paths stay."""
    return FaultRow(id, what, expected, tuple(_named(folder, test) for test in tests))


def _named(folder: str, test: str) -> str:
    file, _, function = test.partition("::")
    return test if "/" in file else f"{folder}/test_{file}.py::test_{function}"


PROCESS: Final = (
    row(
        "P1",
        "SIGTERM, SIGINT, SIGHUP at every stage, with 0, 1, 20 streams",
        "what is under way finishes or ends in an error event; 128+n; no process and no traceback left",
        _FAULTS,
        "process::told_to_end",
        "process::ctrl_c_while_the_program_loads",
        "process::a_signal_while_it_looks_for_the_model",
        "process::a_signal_while_a_name_server_is_silent",
        "process::a_signal_while_claude_starts_ends_both",
        "process::a_ctrl_c_just_before_claude_starts_is_not_lost",
        "process::a_signal_that_was_ignored_stays_ignored",
        f"{_LAUNCH}/test_worker.py::test_it_ends_when_the_block_is_cancelled",
    ),
    row(
        "P2",
        "a second signal",
        "it does not wait",
        _LAUNCH,
        "proxy_only::a_second_signal_does_not_wait_for_the_answer",
        "claude::a_second_request_to_end_kills",
        f"{_FAULTS}/test_process.py::test_told_to_end",
    ),
    row(
        "P3",
        "the port is in use; two proxies on one home",
        "one sentence; each has its own log, file and token",
        _LAUNCH,
        "proxy_only::a_taken_port_is_said",
        f"{_FAULTS}/test_process.py::test_two_proxies_on_one_home_keep_out_of_each_others_way",
    ),
    row(
        "P4",
        "a disk that is full, unwritable, gone; links in its place",
        "no request fails; one warning; a counter",
        _FAULTS,
        "traces::what_a_disk_does_costs_no_answer",
        "child::without_room_for_claudes_settings_the_next_step_is_said",
        "tests/integration/trace/test_store.py::test_a_disk_that_is_full_loses_traces_and_says_so_once",
        "tests/integration/trace/test_store.py::test_a_planted_link_is_refused",
        f"{_LAUNCH}/test_proxy_only.py::test_an_unwritable_log_folder_is_one_warning",
        f"{_CONFIG}/test_running.py::test_without_a_place_for_it_the_proxy_runs",
    ),
    row(
        "P5",
        "64 writers of traces; two that prune one folder",
        "every record is whole, what is lost is counted",
        _FAULTS,
        "traces::64_writers_at_once",
        "traces::two_stores_that_prune_one_folder",
    ),
    row(
        "P6",
        "kill -9 while traces are written",
        "the records before are whole, at most one unfinished file, the next launch goes on",
        _FAULTS,
        "traces::a_kill_while_they_are_written",
        "traces::the_next_launch_goes_on_behind_a_kill",
        "tests/integration/trace/test_proxy.py::test_a_kill_leaves_whole_files",
        f"{_CONFIG}/test_running.py::test_a_killed_proxy_is_not_told_of_and_its_file_goes",
    ),
    row(
        "P7",
        "the clock on the wall jumps by a day",
        "no deadline and no duration reads it",
        _FAULTS,
        "process::only_what_is_told_to_people_reads_the_clock_on_the_wall",
        "traces::a_clock_that_jumps_loses_nothing",
    ),
    row(
        "P8",
        "settings that are missing, broken, unknown, in conflict, or a project's",
        "one sentence with the place, and exit code 2",
        _CONFIG,
        "files::a_broken_file_is_one_sentence",
        "files::what_is_no_settings_file",
        "files::a_wrong_variable_is_one_sentence",
        "load::a_wrong_value_is_one_sentence",
        "trust::what_is_not_free_counts_only_when_trusted",
    ),
    row(
        "P9",
        "keys, base URLs and proxies that are in the environment already",
        "dropped and named, or past our own address",
        "tests/unit/launch",
        "env::other_ways_to_a_model_are_dropped_and_named",
        "env::loopback_goes_past_proxies",
        "env::in_claude_mode_login_keys_and_models_stay",
    ),
    row(
        "P10",
        "64 descriptors, and more connections than that",
        "some are refused, it lives on and answers again",
        _FAULTS,
        "process::with_64_descriptors_it_refuses_some_and_lives_on",
        "process::it_takes_the_descriptors_that_it_may_have",
        "process::an_upstream_without_a_descriptor_for_it_is_said",
    ),
    row(
        "P11",
        "a flood from both sides: upstreams that write as fast as they can, clients that read slowly or not at all",
        "memory does not grow with what passes; who is slow slows its own upstream",
        _FAULTS,
        "floods::memory_does_not_grow_with_what_passes",
        "tests/integration/test_flow.py::test_a_slow_reader_slows_the_upstream",
        "tests/integration/server/test_uploads.py::test_a_file_is_read_no_faster_than_claude_takes_it",
    ),
    row(
        "P12",
        "the time to start",
        "nothing heavy is loaded that is not needed",
        "tests/unit/cli",
        "main::nothing_heavy_is_imported",
    ),
)

CHILD: Final = (
    row(
        "K1",
        "claude is not installed, may not be run, is no program",
        "one sentence with the next step",
        _LAUNCH,
        "claude::a_claude_that_is_not_there_is_said",
        "claude::a_claude_that_may_not_be_run_is_said",
        "claude::a_file_that_is_no_program_is_said",
    ),
    row("K2", "exit codes", "ours are the same", _LAUNCH, "terminal::the_exit_code_is_claudes"),
    row(
        "K3",
        "claude dies by signal n",
        "128+n, the terminal as before",
        _LAUNCH,
        "claude::death_by_a_signal_is_128_and_its_number",
        f"{_FAULTS}/test_child.py::test_a_terminal_left_in_raw_mode_is_put_back",
    ),
    row(
        "K4", "Ctrl-C", "once to claude, and we live on", _LAUNCH, "terminal::ctrl_c_reaches_claude_once_and_we_live_on"
    ),
    row(
        "K5",
        "SIGTERM to us; a terminal that is closed",
        "claude is asked, then killed after the grace; nothing is left",
        _LAUNCH,
        "claude::a_request_to_end_is_handed_on",
        "claude::one_that_does_not_end_is_killed_after_the_grace",
        "terminal::a_request_to_end_reaches_claude_and_leaves_nothing",
        f"{_FAULTS}/test_child.py::test_a_terminal_that_is_closed_ends_both",
        f"{_FAULTS}/test_child.py::test_a_closed_terminal_gives_claude_its_time",
    ),
    row(
        "K6",
        "size, stops, raw mode, a crash",
        "as if the shell had started claude",
        _LAUNCH,
        "terminal::resizing_reaches_claude",
        "terminal::ctrl_z_stops_both_and_fg_continues_both",
        "terminal::a_stop_sent_to_one_stops_both",
        "terminal::a_crash_leaves_the_terminal_as_it_was",
    ),
    row(
        "K7",
        "what we have to say while claude has the screen",
        "it is in the log",
        _LAUNCH,
        "terminal::claude_has_the_terminal_and_nothing_of_ours_is_on_it",
    ),
    row(
        "K8",
        "kill -9 of us",
        "no claude and no worker is left",
        _FAULTS,
        "child::killed_ourselves_we_leave_no_claude",
        "child::killed_while_claude_is_stopped_we_leave_none",
        f"{_WORKER}/test_command.py::test_it_ends_when_its_parent_is_gone",
        f"{_WORKER}/test_distributed.py::test_a_machine_is_reached_over_ssh_and_no_rank_outlives_its_supervisor",
    ),
    row(
        "K9",
        "arguments with blanks, quotes, line ends",
        "they arrive as they are",
        _LAUNCH,
        "claude::arguments_and_environment_arrive_as_they_are",
    ),
)

WORKER: Final = (
    row(
        "W1",
        "the engine's thread dies",
        "health is bad, everyone hears it at once, the program ends",
        _UNIT,
        "engine_thread::an_unexpected_death_is_told_too",
        "engine_thread::repeated_failures_leave_it_dead_and_the_queued_hear_it_at_once",
        f"{_WORKER}/test_server_process.py::test_an_engine_that_dies_ends_the_program",
    ),
    row(
        "W2",
        "the engine stands still in native code",
        "health is bad, nothing is taken, who waits is sent away; it ends, or goes on as before",
        _FAULTS,
        "worker_hangs::an_engine_that_hangs_is_said_and_nobody_waits_for_it",
        "worker_hangs::who_waits_behind_an_engine_that_hangs_is_sent_away",
        "worker_hangs::an_engine_that_hangs_for_good_is_given_up",
        "worker_hangs::how_long_a_turn_may_take",
    ),
    row(
        "W3",
        "a queued request is cancelled",
        "the running one goes on",
        _WORKER,
        "leaving::a_request_that_leaves_the_queue_makes_room",
        "leaving::one_that_leaves_does_not_disturb_the_other",
        f"{_UNIT}/test_turns.py::test_a_cancel_while_waiting_disturbs_nobody",
    ),
    row(
        "W4",
        "a client leaves while its prompt is computed",
        "it ends with the chunk in work",
        _WORKER,
        "leaving::a_client_that_leaves_during_prefill",
        "leaving::a_client_that_does_not_stream_and_leaves",
    ),
    row(
        "W5",
        "no memory; a failing batch",
        "an error for these, the next request works",
        _WORKER,
        "leaving::a_failing_batch_fails_its_requests_and_the_next_one_works",
        f"{_UNIT}/test_memory.py::test_memory_that_others_took_fails_the_last_request_and_lets_the_first_end",
        f"{_UNIT}/test_memory.py::test_a_first_prompt_that_passes_the_limit_fails_and_says_so",
    ),
    row("W6", "the queue is full", "429 with retry-after", _WORKER, "leaving::a_full_queue_is_a_429_before_the_stream"),
    row(
        "W7",
        "tokens outside the vocabulary, empty prompts, no tokens, stops over borders, special tokens",
        "answered or refused; the next answer is the same as ever",
        _FAULTS,
        "worker::what_it_is_asked",
        f"{_UNIT}/test_output.py::test_a_stop_string_over_token_borders_ends_the_text",
        f"{_UNIT}/test_prompts.py::test_markers_in_the_users_words_do_not_count",
    ),
    row(
        "W8",
        "the state of a request that failed or was cancelled",
        "only what was computed whole is used again",
        _WORKER,
        "leaving::a_client_that_leaves_while_its_answer_is_written",
        f"{_UNIT}/test_turns.py::test_a_cancel_while_prefilling_keeps_what_was_computed",
        f"{_UNIT}/test_turns.py::test_a_failing_prefill_fails_that_request_alone",
        f"{_WORKER}/test_prefixes.py::test_a_hit_changes_no_answer",
    ),
    row(
        "W9",
        "a model that is missing or half there",
        "one sentence and exit code 2",
        _FAULTS,
        "worker::a_model_that_is_half_there",
        f"{_WORKER}/test_command.py::test_what_cannot_work_is_one_sentence_and_exit_code_2",
    ),
    row(
        "W10",
        "two starts on one port",
        "the second says so",
        _FAULTS,
        "worker::two_that_start_at_once_on_one_port",
        f"{_WORKER}/test_command.py::test_a_taken_port_is_told_before_the_model_is_sought",
    ),
    row(
        "W11",
        "SIGTERM in the middle of an answer",
        "it finishes, or says that it is cut",
        _WORKER,
        "server_process::it_serves_and_sigterm_lets_an_answer_finish",
        "server_process::a_stream_that_is_cut_by_the_end_says_so",
    ),
    row("W12", "the template raises", "400 in its words", _FAULTS, "worker::a_template_that_raises"),
    row(
        "W13",
        "the bounds of the caches; disks that are full or damaged",
        "they hold; a file costs its tokens alone",
        _UNIT,
        "prefix_cache::budgets_hold_and_nothing_is_left_behind",
        "disk_cache::the_quota_is_for_all_models_and_the_oldest_goes_first",
        f"{_WORKER}/test_disk.py::test_a_damaged_file_costs_its_tokens_and_nothing_else",
        f"{_FAULTS}/test_worker.py::test_a_full_disk_costs_the_file_alone",
    ),
    row(
        "W14",
        "numbers: NaN, huge, negative",
        "answered or refused; the batch goes on",
        _FAULTS,
        "worker::what_it_is_asked",
        f"{_WORKER}/test_answers.py::test_odd_numbers_do_not_break_the_batch",
    ),
)
