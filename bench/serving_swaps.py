"""The service under a load of requests while its champion changes again and again."""

import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.serving_processes import Server, resident_bytes, worker_of

_WITHIN = 2.0  # seconds in which an earlier champion may still answer


def swaps(server: Server, data: Path, name: str, count: int, *, rate: float, folder: Path) -> dict[str, Any]:
    """Roll back and forth between two champions `count` times, each once its predecessor answers, under `rate`
    requests a second.

    `stale` counts the answers of a version that was no champion within the last two seconds.
    """
    from ml_platform.discovery import find
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.state import promotions

    worker, answers = worker_of(server), folder / "answers.jsonl"
    command = [sys.executable, "-m", "bench.load", str(server.port), str(server.requests), "--connections", "4"]
    seconds = count * _WITHIN
    command += ["--seconds", str(seconds), "--rate", str(rate), "--keep", str(answers)]
    with closing(Workspace.open(Settings(data=data), find(name).slices)) as ws:
        champion = promotions.champion_at(ws.state, name)
        assert champion is not None
        served = {entry.version for entry in promotions.changes(promotions.history(ws.state, name))}
        other = max(version for version in served if version not in (champion, None))
        since: list[tuple[float, int]] = [(0.0, champion)]  # from when on which version was the champion
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            began, before = time.time(), 0
            for number in range(count):
                time.sleep(max(0.0, began + 0.5 + number * _WITHIN - time.time()))  # the pace of the swaps
                target = other if number % 2 == 0 else champion
                promotions.rollback(ws.state, name, to=target, why="a benchmark", actor="bench.serving")
                since.append((time.time(), target))
                before = before or resident_bytes(worker)  # once both versions were loaded, nearly
            figures = json.loads(process.communicate()[0])
    after = resident_bytes(worker)
    stale, lags = 0, dict[int, float]()
    for line in answers.read_text().splitlines():
        answer = json.loads(line)
        if answer["code"] != 200:
            continue
        version = json.loads(answer["body"])["predictions"][0]["version"]
        began_at = answer["ended"] - answer["took"]
        stale += version not in _champions(since, began_at)
        swap = max(number for number, (moment, _) in enumerate(since) if moment <= answer["ended"])
        if since[swap][1] == version:
            lags.setdefault(swap, answer["ended"] - since[swap][0])
    waits = sorted(lag for swap, lag in lags.items() if swap)
    return {
        **figures,
        "swaps": count,
        "swaps that answered": len(waits),
        "stale": stale,
        "seconds to the first answer, p50": round(waits[len(waits) // 2], 2) if waits else None,
        "seconds to the first answer, longest": round(waits[-1], 2) if waits else None,
        "resident MB before; after": [round(one / 1e6, 1) for one in (before, after)],
        "resident ratio": round(after / before, 3),
    }


def _champions(since: list[tuple[float, int]], moment: float) -> set[int]:
    """The versions that were champion within the seconds before a moment, or since."""
    ends = [began for began, _ in since[1:]] + [float("inf")]
    return {version for (_, version), end in zip(since, ends, strict=True) if end >= moment - _WITHIN}
