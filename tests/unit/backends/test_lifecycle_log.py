"""What the log says of the nodes as they come and go."""

import logging

import pytest

from anyclaude.backends.lifecycle_log import LifecycleLog
from anyclaude.cluster.node import Report


def test_a_node_with_another_model_than_the_others_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    told = LifecycleLog()
    with caplog.at_level(logging.WARNING):
        told.joined("a", Report(model="one"))
        told.joined("b", Report(model="one"))
        told.joined("c", Report())
        assert caplog.text == ""
        told.joined("d", Report(model="two"))
        assert (
            "node d serves two and others serve one: a session that moves is answered by another model" in caplog.text
        )
        caplog.clear()
        told.left("a", "gone")
        told.left("b", "gone")
        told.joined("e", Report(model="two"))
        assert caplog.text == ""
