"""The asset graph as text that people can read and a test can compare.

Written anew, after a change that is meant, by `python -m ml_platform_tests.orchestration.graph`.
"""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

SNAPSHOT = Path(__file__).with_name("graph.txt")


def graph(definitions: dg.Definitions) -> str:
    """Assets with their partitions, kinds, owners and checks; what they depend on; jobs, sensors, schedules."""
    lines: list[str] = []
    for spec in sorted(definitions.resolve_all_asset_specs(), key=lambda spec: spec.key):
        kinds, slices = "+".join(sorted(spec.kinds)), _slices(spec.partitions_def)
        lines.append(f"{spec.key.to_user_string()}  [{spec.group_name}] {kinds}, {slices}, {', '.join(spec.owners)}")
        lines += _listed("from", (dep.asset_key.to_user_string() for dep in spec.deps))
        lines += _listed("checks", (c.name for c in checks(definitions) if c.asset_key == spec.key))
    lines.append("")
    repository = definitions.get_repository_def()
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        if job.name.startswith("__"):
            continue
        tags = ", ".join(f"{name}={value}" for name, value in sorted(job.tags.items()))
        lines.append(f"job {job.name}  {_slices(job.partitions_def)}, {tags}")
        lines += _listed("runs", sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys))
    lines.append("")
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        how = f"{sensor.default_status.value.lower()}, every {sensor.minimum_interval_seconds} s"
        launches = ", ".join(target.job_name for target in sensor.targets) or "no job"
        lines.append(f"sensor {sensor.name}  {launches}, {how}")
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        how = f"{schedule.default_status.value.lower()}, {schedule.cron_schedule} {schedule.execution_timezone}"
        lines.append(f"schedule {schedule.name}  {schedule.job_name}, {how}")
    return "\n".join(lines) + "\n"


def checks(definitions: dg.Definitions) -> list[dg.AssetCheckSpec]:
    """Every asset check, by asset and name."""
    found = [spec for asset in definitions.assets or [] for spec in asset.check_specs]  # type: ignore[union-attr]  # ours are AssetsDefinitions
    return sorted(found, key=lambda spec: (spec.asset_key, spec.name))


def _slices(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "whole"
    keys = partitions.get_partition_keys()
    return f"{keys[0]} to {keys[-1]}"


def _listed(what: str, values: Iterable[str]) -> list[str]:
    names = list(values)
    return [f"    {what:7} {', '.join(names)}"] if names else []


def definitions() -> dg.Definitions:
    """The pipelines that come along: by month, by week and whole; of two classes, of more and of numbers."""
    from ml_platform.discovery import pipelines
    from ml_platform.orchestration.build import build_definitions
    from ml_platform.settings import Settings

    return build_definitions(pipelines(Settings(pipelines=["ml_platform.pipelines"])).values())


if __name__ == "__main__":
    SNAPSHOT.write_text(graph(definitions()))
