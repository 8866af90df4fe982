"""People see the newest partitions, however many there are."""

from collections.abc import Callable
from pathlib import Path

from ml_platform.views.status import months, ran, status_rows
from ml_platform_tests.world import World


def test_the_rows_of_the_newest_partitions_are_the_last_of_all(
    february: Path, open_world: Callable[..., World]
) -> None:
    trips = open_world(february)
    every = months(trips.ws, trips.pipeline)
    assert [row["partition"] for row in every] == ran(trips.ws, trips.pipeline) == ["2024-01", "2024-02"]
    assert months(trips.ws, trips.pipeline, 1) == every[-1:]
    assert months(trips.ws, trips.pipeline, 36) == every
    assert status_rows(trips.ws, trips.pipeline, 1) == status_rows(trips.ws, trips.pipeline)[1:]
