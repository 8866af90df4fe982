"""What is said of a pipeline's canary."""

from ml_platform.state import canaries
from ml_platform.state.database import State


def canary_phrase(state: State, pipeline: str) -> str:
    """Which version answers a share of the keys, or was taken back, as a sentence; empty without one."""
    entry = canaries.newest(state, pipeline)
    if entry is None or entry.action == "stopped":
        return ""
    name = f"{pipeline}@{entry.version}"
    if entry.action == "started":
        return f"{name} is a canary since {entry.recorded_at:%Y-%m-%d %H:%M} UTC: it answers {entry.share:.3g} of keys."
    return f"The canary {name} was taken back at {entry.recorded_at:%Y-%m-%d %H:%M} UTC: {entry.reason}."
