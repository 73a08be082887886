"""What a report says of itself."""

import pytest

from anyclaude.prompt.options import Options, Report


@pytest.mark.parametrize(("system", "tools", "changed"), [(9, 9, False), (8, 9, True), (9, 8, True)])
def test_a_report_knows_whether_anything_changed(system: int, tools: int, changed: bool) -> None:
    assert Report("passthrough", None, 9, system, 9, tools).changed is changed


def test_nothing_is_done_unless_asked() -> None:
    options = Options()
    assert not any((options.smart, options.safe_filter, options.truncate))
    assert (options.slim_tools, options.allowed_tools) == ("off", None)
