"""What people do with Claude Code all day, on the real llama.cpp and on the real worker.

Their model knows by heart what to answer; what it says, tokens, caches, calls and refusals are the servers' own.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.scenarios import coding, reading, sessions
from tests.support.scenarios.real import Cast, Real
from tests.support.worker_nodes import Mother

pytestmark = pytest.mark.timeout(600)

PARTS = (
    *(coding.fixing, coding.ordering, coding.noting, coding.waiting),
    *(reading.looking, reading.lending, reading.searching, reading.counting),
    *(sessions.remembering, sessions.reading, sessions.telling),
)
SMALL = 24_576  # tokens

SERVERS = ["worker", "llama.cpp"]
on_both = pytest.mark.parametrize("stage", SERVERS, indirect=True)
# What these are about happens in Claude Code and in the proxy.
on_one = pytest.mark.parametrize("stage", ["worker", pytest.param("llama.cpp", marks=pytest.mark.long)], indirect=True)


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    return Cast(tmp_path_factory.mktemp("cast"), PARTS)


@pytest.fixture(scope="module")
def mother(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mother]:
    """Of all workers."""
    mother = Mother(tmp_path_factory.mktemp("home"))
    yield mother
    mother.close()


@pytest.fixture
async def stage(request: pytest.FixtureRequest, cast: Cast, mother: Mother) -> AsyncIterator[Real]:
    async with cast.on_llamacpp() if request.param == "llama.cpp" else cast.on_the_worker(mother) as stage:
        yield stage


@pytest.mark.long
@on_both
async def test_edit_run_fix_for_thirty_turns(stage: Real) -> None:
    await coding.edit_run_fix(stage)


@on_both
async def test_three_subagents_work_side_by_side(stage: Real) -> None:
    await coding.three_subagents(stage)


@on_one
async def test_a_conversation_goes_on_behind_a_new_proxy(stage: Real) -> None:
    await coding.on_behind_a_new_proxy(stage)


@on_one
async def test_esc_ends_a_running_command(stage: Real) -> None:
    await coding.esc_in_a_tool(stage)


@on_one
async def test_a_model_without_eyes_is_told(stage: Real) -> None:
    await reading.an_image_for_the_blind(stage)


@on_one
async def test_a_pdf_reaches_the_model_as_text(stage: Real) -> None:
    await reading.a_pdf(stage)


@on_one
async def test_a_search_brings_links_and_texts_to_the_model(stage: Real) -> None:
    await reading.web_search(stage)


@on_both
async def test_a_tool_of_an_mcp_server_is_found_and_called(stage: Real) -> None:
    await reading.tool_search(stage)


@on_one
async def test_compact_by_hand(stage: Real) -> None:
    await sessions.compact_by_hand(stage)


@on_one
async def test_esc_ends_an_answer(stage: Real) -> None:
    await sessions.esc_in_text(stage)


@pytest.mark.long
async def test_llamacpp_s_window_is_outgrown(cast: Cast) -> None:
    async with cast.on_llamacpp(SMALL) as stage:
        await sessions.outgrow_the_window(stage)
        assert stage.relay.refused


@pytest.mark.long
async def test_the_worker_s_window_is_outgrown(cast: Cast, mother: Mother) -> None:
    async with cast.on_the_worker(mother, SMALL) as stage:
        await sessions.outgrow_the_window(stage)
        assert stage.relay.refused
