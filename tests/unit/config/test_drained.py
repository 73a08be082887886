"""What a person drained: written for every proxy, and followed by each."""

import json
import logging
from pathlib import Path

import pytest

from anyclaude.config.drained import Drained, drain, drained_nodes, undrain
from anyclaude.config.upstreams import Node
from anyclaude.errors import SetupError

STUDIO = Node(id="studio", url="http://studio:8081/v1")
MINI = Node(id="mini", url="http://mini:8081")


def test_it_is_private_and_holds_addresses_without_tokens(tmp_path: Path) -> None:
    folder = tmp_path / ".anyclaude"
    assert drain(folder, Node(id="studio", url=STUDIO.url, token="a secret of the cluster"))  # type: ignore[arg-type]
    file = folder / "cluster.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == {"drained": {"http://studio:8081": "studio"}}


def test_each_counts_once(tmp_path: Path) -> None:
    assert drain(tmp_path, STUDIO)
    assert drain(tmp_path, MINI)
    assert not drain(tmp_path, STUDIO)
    assert undrain(tmp_path, "http://studio:8081")
    assert not undrain(tmp_path, "http://studio:8081")
    assert drained_nodes(tmp_path) == {"http://mini:8081": "mini"}


def test_a_proxy_follows(tmp_path: Path) -> None:
    followed = Drained(tmp_path)
    assert followed.addresses() == frozenset()
    drain(tmp_path, STUDIO)
    assert followed.addresses() == {"http://studio:8081"}
    drain(tmp_path, MINI)
    assert len(followed.addresses()) == 2
    undrain(tmp_path, "http://studio:8081")
    assert followed.addresses() == {"http://mini:8081"}
    (tmp_path / "cluster.json").unlink()
    assert followed.addresses() == frozenset()


def test_it_is_read_again_only_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drain(tmp_path, STUDIO)
    followed = Drained(tmp_path)
    assert followed.addresses()
    monkeypatch.setattr("anyclaude.config.drained.read", None)
    assert followed.addresses() == {"http://studio:8081"}


@pytest.mark.parametrize("content", ["{", "[]", '{"drained": []}', '{"drained": {"http://a": 1}}', "\xff"])
def test_a_spoilt_file_changes_nothing_and_is_said_once(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drain(tmp_path, STUDIO)
    followed = Drained(tmp_path)
    assert followed.addresses()
    (tmp_path / "cluster.json").write_text(content, encoding="latin-1")
    with caplog.at_level(logging.WARNING):
        assert followed.addresses() == followed.addresses() == {"http://studio:8081"}
    assert len(caplog.records) == 1
    with pytest.raises(SetupError, match=r"^~/\.anyclaude/cluster\.json .*; remove it, and drain again"):
        drain(tmp_path, MINI)
