"""The environment of a training. It may change a model's bytes, so equal bytes are promised on one machine only."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "polars", "pyarrow", "duckdb")  # besides the model's own


def environment(own: Sequence[str]) -> dict[str, Any]:
    """Libraries (a model's `own` among them), interpreter, system and processor; steady on one machine.

    The number of threads is no part of it: equal work gives equal bytes with any number (S16).
    """
    return {
        "libraries": {name: version(name) for name in (*own, *LIBRARIES)},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two environments, a phrase each. The threads that older ones hold do not count."""
    flat_then, flat_now = _flat(then), _flat(now)
    return [
        f"{name} was {flat_then.get(name)} and is {flat_now.get(name)}"
        for name in sorted({*flat_then, *flat_now})
        if flat_then.get(name) != flat_now.get(name)
    ]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in values.items() if k not in ("libraries", "threads")}, **values.get("libraries", {})}


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or "unknown"
