"""The seed of what is random here, and how often it is tried."""

import os
import random
from collections.abc import Callable

import pytest

SEED = "ML_PLATFORM_FAULTS_SEED"  # set it to the number that a failure shows, to have it again
OFTEN, IN_CI = 30, 3
REPEATS = [
    pytest.param(number, marks=[] if number < IN_CI else pytest.mark.slow, id=f"{number + 1}")
    for number in range(OFTEN)
]

Chance = Callable[[int], random.Random]


@pytest.fixture(scope="session")
def chance() -> Chance:
    """The random numbers of a repeat. Its seed is printed, which pytest shows when the test fails."""
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))

    def of(repeat: int) -> random.Random:
        print(f"{SEED}={seed}, repeat {repeat + 1}")  # noqa: T201 — for whoever has to repeat it
        return random.Random(f"{seed}/{repeat}")

    return of
