"""The seed of what is random here, and how often it is tried."""

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

SEED = "ML_PLATFORM_FAULTS_SEED"  # set it to the number that a failure shows, to have it again
OFTEN, IN_CI = 30, 3
KILLS = 40


def repeats(often: int, in_ci: int) -> list[Any]:
    """The numbers of the repeats; those from `in_ci` on are slow."""
    return [
        pytest.param(number, marks=[] if number < in_ci else pytest.mark.slow, id=f"{number + 1}")
        for number in range(often)
    ]


REPEATS = repeats(OFTEN, IN_CI)

Chance = Callable[[int], random.Random]


@pytest.fixture(scope="session")
def chance() -> Chance:
    """The random numbers of a repeat. Its seed is printed, which pytest shows when the test fails."""
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))

    def of(repeat: int) -> random.Random:
        print(f"{SEED}={seed}, repeat {repeat + 1}")  # noqa: T201 — for whoever has to repeat it
        return random.Random(f"{seed}/{repeat}")

    return of
