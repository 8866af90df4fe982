"""What the newest event of an asset says."""

import dagster as dg


def newest_metadata(instance: dg.DagsterInstance, key: dg.AssetKey, name: str) -> str | None:
    """A metadata value of the newest materialization of an asset, as text; None without one."""
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return None
    value = event.asset_materialization.metadata.get(name)
    return None if value is None else str(value.value)
