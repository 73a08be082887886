"""How the worker ends when it cannot begin: with what would help, and whether another try may."""

import pytest

from anyclaude.wire.exit_codes import ExitCode
from mlx_worker import command
from mlx_worker.models import HubUnreachable, ModelUnavailable


@pytest.mark.parametrize(
    ("error", "code"),
    [(ModelUnavailable("no such model"), ExitCode.NOT_READY), (HubUnreachable("no hub"), ExitCode.TRY_AGAIN)],
)
def test_only_what_may_be_there_later_is_worth_another_try(
    error: Exception, code: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def resolve(model: str | None) -> None:
        raise error

    monkeypatch.setattr("mlx_worker.models.resolve", resolve)
    monkeypatch.setattr("signal.signal", lambda number, receiver: None)
    assert command.main(["--fetch-only"]) == code
    assert capsys.readouterr().err == f"mlx_worker: {error}\n"
