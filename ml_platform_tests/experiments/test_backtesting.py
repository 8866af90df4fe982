"""The matrix of a backtest on a real lake: what is kept, and what goes on after an interrupt (S66)."""

import pytest

from ml_platform.experiments.backtesting import matrix_of
from ml_platform.state import promotions, versions
from ml_platform_tests.experiments.conftest import Bench


class _Killed(Exception):
    pass


def test_a_matrix_is_computed_once_goes_on_after_a_kill_and_changes_nothing(bench: Bench) -> None:
    ws, stages = bench.ws, list[str]()
    before = versions.versions(ws.state, bench.base.name), promotions.history(ws.state, bench.base.name)

    def killed(stage: str) -> None:
        stages.append(stage)
        if stage.startswith("models on"):
            raise _Killed

    with pytest.raises(_Killed):
        matrix_of(ws, bench.base, None, killed)
    trained = [stage for stage in stages if stage.startswith("model of")]
    rest = list[str]()
    matrix = matrix_of(ws, bench.base, None, rest.append)
    assert trained and not [stage for stage in rest if stage.startswith("model of")]
    assert any(stage.startswith("models on") for stage in rest) and matrix.cells
    again = list[str]()
    assert matrix_of(ws, bench.base, None, again.append) == matrix
    assert again == []
    after = versions.versions(ws.state, bench.base.name), promotions.history(ws.state, bench.base.name)
    assert after == before
