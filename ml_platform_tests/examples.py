"""What `make test-all` takes more of than `make test`: all examples of a property, and a second thread."""

import hypothesis

THOROUGH = "thorough"  # pytest --hypothesis-profile=thorough
QUICK = "quick"
FEWEST = 3
_DEFAULT = 100  # of hypothesis


def register_profiles() -> None:
    """Register both profiles and load the quick one; pytest's option comes later and wins.

    No verdict of the suite rests on how busy the machine is (S40), so no example has a deadline; a test that hangs is
    ended by its timeout.
    """
    slow_machine = [hypothesis.HealthCheck.too_slow]
    for name, examples in ((THOROUGH, _DEFAULT), (QUICK, _DEFAULT // 4)):
        hypothesis.settings.register_profile(
            name, max_examples=examples, deadline=None, suppress_health_check=slow_machine
        )
    hypothesis.settings.load_profile(QUICK)


def tries(thorough: int, share: int = 4) -> int:
    """The `max_examples` of a test that takes so many in `make test-all`, and one in `share` of them in `make test`."""
    if hypothesis.settings.get_current_profile_name() == THOROUGH:
        return thorough
    return min(thorough, max(FEWEST, thorough // share))


def threads() -> int:
    """DuckDB's and the trainer's threads in a test: 2 in `make test-all`, whatever they may mix up.

    `make test` has a process for each core. A second thread costs a small query half of its CPU time again.
    """
    return 2 if hypothesis.settings.get_current_profile_name() == THOROUGH else 1
