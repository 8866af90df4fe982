"""Which of the pipelines that come along are shown: flights, and the examples that somebody added (`example NAME`)."""

import json

from ml_platform.settings import Settings

PACKAGE = "ml_platform.pipelines"
ADDED = "examples.json"  # in the data folder
EXAMPLES = ("bike_rentals", "card_fraud", "churn", "churn_snapshot", "storm_status")


def left_out(settings: Settings) -> frozenset[str]:
    """The examples that are not shown: those that nobody added and that have no table in the lake.

    Settings that name their pipelines leave nothing out.
    """
    if "pipelines" in settings.model_fields_set:
        return frozenset()
    kept = added(settings)
    return frozenset(n for n in EXAMPLES if n not in kept and not (settings.lake / "tables" / n).exists())


def added(settings: Settings) -> list[str]:
    """The examples that were added, in order; they are listed in `ADDED`."""
    try:
        names = json.loads((settings.data / ADDED).read_text())
    except (FileNotFoundError, ValueError):
        return []
    return [name for name in names if name in EXAMPLES] if isinstance(names, list) else []


def add(settings: Settings, name: str) -> bool:
    """Show an example from now on; whether it was left out before."""
    if name not in left_out(settings):
        return False
    settings.data.mkdir(parents=True, exist_ok=True)
    (settings.data / ADDED).write_text(json.dumps([*added(settings), name]) + "\n")
    return True
