"""Why the verdicts on a version do not allow its promotion."""

from collections.abc import Mapping

from ml_platform.state import verdicts
from ml_platform.state.database import State


def objections_of(
    state: State, pipeline: str, version: int, required_gates: Mapping[str, str]
) -> list[tuple[str, bool]]:
    """Why each gate does not allow promotion, a phrase each, and whether only because it is still to be measured (S40).

    `required_gates` maps the key of each gate that blocks to its phrase. A missing verdict is a failed one; "not
    judged" does not stand in the way (S24, S26).
    """
    recorded, objections = verdicts.of(state, pipeline, version), list[tuple[str, bool]]()
    for gate_key, phrase in required_gates.items():
        mine = [v for v in recorded if v.gate_key == gate_key]
        if not any(v.slice == "" for v in mine):
            objections.append((f"there is no verdict on “{phrase}”", False))
        failed = [v for v in mine if v.passed is False]
        if failed:
            outcome = next((v for v in failed if v.slice == ""), failed[0])
            objections.append((f"“{outcome.gate}” failed: {outcome.detail.rstrip('.')}", False))
        objections += [(f"“{v.gate}” waits: {v.detail.rstrip('.')}", True) for v in mine if v.waits]
    return objections
