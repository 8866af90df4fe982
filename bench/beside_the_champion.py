"""What a challenger and a canary cost the requests of a service over HTTP.

    python -m bench.beside_the_champion --data FOLDER [--pipeline flight_delay] [--requests 200] [--rounds 12]

FOLDER is the data folder of a lake with a champion and an earlier one, such as `ml-platform demo` makes; a copy is
served with one worker. In each round the champion answers alone, then beside a challenger, then beside a canary of
10 % of the keys; both are the earlier champion. Each time the same rows are asked for, one by one over one connection.
CPU of the worker and of the challenger's process is what the kernel counts of them, per request. What a mode costs is
compared with the champion alone in the same round, because other work on the machine makes all of them dearer.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

KEEPS_DAYS = "1"
_TICKS = os.sysconf("SC_CLK_TCK")


def examples(data: Path, name: str, requests: int) -> tuple[list[str], int]:
    """Bodies of requests, each of one row of the newest day, and the champion before the one of today."""
    from ml_platform.discovery import find
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.state.promotions import changed

    pipeline = find(name)
    with closing(Workspace.open(Settings(data=data), pipeline.slices)) as ws:
        earlier = changed(ws.state, name)[-1].previous
        assert earlier is not None, f"{name} has had one champion only in {data}"
        columns, at = ", ".join(pipeline.row_schema), pipeline.examples.at
        newest = f"{at} >= (SELECT max({at}) - INTERVAL 12 HOUR FROM {name}.features)" if at else "true"
        rows = ws.lake.frame(f"SELECT {columns} FROM {name}.features WHERE {newest} LIMIT {requests}").to_dicts()
    bodies = [json.dumps({"rows": [row]}, default=lambda value: value.isoformat()) for row in rows]
    return (bodies * (1 + requests // len(bodies)))[:requests], earlier


def cpu_seconds(pid: int) -> float:
    """What the kernel counts of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def named(pid: int, module: str) -> list[int]:
    """The child processes that run a module."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [child for child in children if module in Path(f"/proc/{child}/cmdline").read_text()]


def measured(data: Path, name: str, bodies: list[str], earlier: int, rounds: int) -> dict[str, Any]:
    """Medians over the rounds, by what is beside the champion."""
    import httpx

    from ml_platform.settings import Settings
    from ml_platform.state import canaries, challenges
    from ml_platform.state.database import State

    environment = {**os.environ, "ML_PLATFORM_DATA": str(data), "ML_PLATFORM_ONLINE_DAYS": KEEPS_DAYS}
    command = [sys.executable, "-m", "ml_platform.cli.main"]
    state = State(Settings(data=data))
    who = {"reason": "a measurement", "actor": "bench"}
    bounds = {"share": 0.1, "max_error_share": 0.0, "max_latency_ratio": 1_000.0}
    modes: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "alone": (lambda: None, lambda: None),
        "challenger": (
            lambda: challenges.start(state, name, earlier, **who),
            lambda: challenges.stop(state, name, **who),
        ),
        "canary 10 %": (
            lambda: canaries.start(state, name, earlier, {}, **bounds, **who),
            lambda: canaries.stop(state, name, **who),
        ),
    }
    figures: dict[str, list[dict[str, float]]] = {mode: [] for mode in modes}
    with subprocess.Popen(
        [*command, "serve", name, "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("Service: ").strip()
            with httpx.Client(base_url=url, timeout=60) as client:
                _wait(client, "/readyz", lambda answer: answer.status_code == 200)
                (worker,) = named(process.pid, "rest.worker")

                def ask(body: str) -> float:
                    began = time.perf_counter()
                    answer = client.post(
                        f"/v1/pipelines/{name}/predict", content=body, headers={"content-type": "application/json"}
                    )
                    assert answer.status_code == 200, answer.text
                    return time.perf_counter() - began

                for turn in range(rounds + 1):  # the first is not counted
                    for mode, (begin, end) in modes.items():
                        begin()
                        wanted = {
                            "challenger": earlier if mode == "challenger" else None,
                            "canary": earlier if mode == "canary 10 %" else None,
                        }
                        _wait(client, f"/v1/pipelines/{name}/model", lambda answer, wanted=wanted: _is(answer, wanted))
                        for body in bodies[:50]:
                            ask(body)
                        shadows = named(worker, "shadow_worker") if mode == "challenger" else []
                        began, beside = cpu_seconds(worker), sum(map(cpu_seconds, shadows))
                        seconds = [ask(body) for body in bodies]
                        cpu = (cpu_seconds(worker) - began) / len(bodies)
                        centiles = statistics.quantiles(seconds, n=100)
                        one = {"p50 µs": centiles[49], "p99 µs": centiles[98], "worker CPU µs": cpu}
                        if shadows:
                            one["its process CPU µs"] = (sum(map(cpu_seconds, shadows)) - beside) / len(bodies)
                        if turn:
                            figures[mode].append({what: round(1e6 * value, 1) for what, value in one.items()})
                        end()
                page = client.get("/metrics").text
        finally:
            process.terminate()
            process.wait(60)
            state.close()
    rows = {
        role: _figure(page, f'row_cpu_seconds_sum{{pipeline="{name}",role="{role}"')
        / max(1.0, _figure(page, f'row_cpu_seconds_count{{pipeline="{name}",role="{role}"'))
        for role in ("champion", "canary")
    }
    medians = {
        mode: {what: round(statistics.median(one[what] for one in all_rounds), 1) for what in all_rounds[0]}
        for mode, all_rounds in figures.items()
    }
    times_alone = {
        mode: statistics.median(
            one["worker CPU µs"] / alone["worker CPU µs"] for one, alone in zip(of_mode, figures["alone"], strict=True)
        )
        for mode, of_mode in figures.items()
    }
    return {
        "medians": medians,
        "worker CPU of a round, in times of alone": {mode: round(value, 3) for mode, value in times_alone.items()},
        "rounds": figures,
        "CPU µs of a row beside a canary": {role: round(1e6 * seconds, 1) for role, seconds in rows.items()},
    }


def _is(answer: Any, wanted: dict[str, int | None]) -> bool:
    shown = answer.json()
    return {"challenger": shown["challenger"], "canary": (shown["canary"] or {}).get("version")} == wanted


def _figure(page: str, prefix: str) -> float:
    return sum(
        float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(f"ml_platform_canary_{prefix}")
    )


def _wait(client: Any, address: str, condition: Any) -> None:
    import httpx

    while True:
        try:
            if condition(client.get(address)):
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pipeline", default="flight_delay")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        shutil.copytree(options.data.resolve(), data)
        bodies, earlier = examples(data, options.pipeline, options.requests)
        figures = measured(data, options.pipeline, bodies, earlier, options.rounds)
    print(
        json.dumps({name: value for name, value in figures.items() if name != "rounds"}, indent=1, ensure_ascii=False)
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
