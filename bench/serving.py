"""What online predictions cost, beside MLflow, BentoML and Feast: `python -m bench.serving --data FOLDER`.

FOLDER is the data folder of a lake with a champion of LightGBM, such as `ml-platform demo` makes. It is copied: nothing
in it changes. All servers run with one worker on loopback, with nothing but their defaults, and the loads alternate
between them; the load has a process of its own (`bench.load`). Wall time depends on what else the machine does, so CPU
stands beside it: user and system microseconds for each request, of the process that answers, and of all of the server.

The peers score the numbers that our model sees: they look up no features, check no values and log nothing. Each is
installed into an environment of its own, in `--environments`, which is used again. A peer that cannot be installed or
started is named in the output, and the others are measured.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import peers
from bench.serving_events import events
from bench.serving_in_process import KEEPS, Predictions, predictions
from bench.serving_processes import Server, load, our_service, write_requests
from bench.serving_swaps import swaps

Rounds = dict[str, list[dict[str, Any]]]


def middle(rounds: Rounds) -> dict[str, dict[str, Any]]:
    """The median of each figure over the rounds, by what was measured."""
    return {
        name: {key: round(statistics.median(one[key] for one in figures), 3) for key in figures[0]}
        for name, figures in rounds.items()
    }


def against_feast(ours: Predictions, peer: peers.Peer, folder: Path, rounds: int, reads: int) -> dict[str, Any]:
    """Reads of our store and of Feast's, for as many features."""
    feast = peers.FeastReads(peer, folder / "feast", ours.features)
    figures: Rounds = defaultdict(list)
    try:
        for _ in range(rounds):
            figures["ml_platform, all keys of an example"].append({"read p50 µs": ours.round()["store"]["p50 µs"]})
            figures[f"{feast.name}, one key"].append(feast.reads(reads))
    finally:
        feast.close()
    return {"features": ours.features, **middle(figures)}


def over_http(servers: list[Server], rounds: int, seconds: float) -> dict[str, Any]:
    """One connection, then sixteen: the servers take turns."""
    figures: dict[int, Rounds] = {1: defaultdict(list), 16: defaultdict(list)}
    for server in servers:
        load(server, connections=1, seconds=1.0)
    for _ in range(rounds):
        for connections, by_server in figures.items():
            for server in servers:
                by_server[server.name].append(load(server, connections=connections, seconds=seconds))
    return {f"{connections} connections": middle(by_server) for connections, by_server in figures.items()}


def measured(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures; `unavailable` names the peers without any, and why."""
    figures: dict[str, Any] = {"versions": {name: version(name) for name in ("lightgbm", "fastapi", "uvicorn")}}
    figures["unavailable"] = unavailable = {}
    environments: dict[str, peers.Peer] = {}
    for name in options.peers:
        try:
            environments[name] = peers.Peer(name, options.environments)
        except peers.PeerUnavailable as error:
            unavailable[name] = str(error)
    data = Path(shutil.copytree(options.data, folder / "data", ignore=shutil.ignore_patterns("online")))
    with predictions(data, options.pipeline, options.requests) as ours, ExitStack() as started:
        figures["filling the store"] = ours.filling
        parts: Rounds = defaultdict(list)
        for _ in range(options.rounds):
            for name, one in ours.round().items():
                parts[name].append(one)
        figures["in process"] = middle(parts)
        if "feast" in environments:
            try:
                feast = environments["feast"]
                figures["store"] = against_feast(ours, feast, folder, options.rounds, options.requests)
            except peers.PeerUnavailable as error:
                unavailable["feast"] = str(error)
        asked = [
            {
                "path": f"/v1/pipelines/{options.pipeline}/predict",
                "type": "application/json",
                "body": json.dumps({"rows": [example]}, default=lambda value: value.isoformat()),
            }
            for example in ours.examples
        ]
        requests = write_requests(folder / "ours.jsonl", asked)
        service = started.enter_context(our_service(data, options.pipeline, KEEPS.days, folder, requests))
        servers, model, rows = [service], folder / "model.txt", ours.rows
        model.write_text(ours.model)
        if "mlflow" in environments:
            try:
                forms = started.enter_context(peers.mlflow(environments["mlflow"], model, ours.columns, rows))
                fastest, figures["forms of mlflow"] = peers.fastest(forms, options.seconds)
                servers.append(fastest)
            except (peers.PeerUnavailable, RuntimeError) as error:
                unavailable["mlflow"] = str(error)
        if "bentoml" in environments:
            try:
                servers.append(started.enter_context(peers.bentoml(environments["bentoml"], model, rows)))
            except RuntimeError as error:
                unavailable["bentoml"] = str(error)
        figures["http"] = over_http(servers, options.rounds, options.seconds)
        if options.pipeline == "flight_delay":
            example = json.loads(asked[0]["body"])["rows"][0]
            figures["events"] = events(service, options.pipeline, example, options.seconds)
        if options.swaps:
            figures["swaps"] = swaps(service, data, options.pipeline, options.swaps, rate=options.rate, folder=folder)
    return figures


def table(figures: dict[str, Any], indent: str = "") -> list[str]:
    """Lines for people: one a measurement, with its figures beside it."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict) and any(isinstance(one, dict) for one in value.values()):
            lines += [f"{indent}{name}", *table(value, f"{indent}  ")]
        else:
            text = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else value
            lines.append(f"{f'{indent}{name}':<44} {text if text not in ('', {}) else '–'}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pipeline", default="flight_delay")
    parser.add_argument("--requests", type=int, default=1_000, help="examples that are asked in turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one load")
    parser.add_argument("--swaps", type=int, default=0, help="changes of the champion, one in two seconds")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second while the champion changes")
    parser.add_argument("--peers", nargs="*", choices=list(peers.PACKAGES), default=list(peers.PACKAGES))
    default = Path(tempfile.gettempdir()) / "ml_platform_bench_peers"
    parser.add_argument("--environments", type=Path, default=default)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(options, Path(folder))
    print("\n".join(table(figures)))
    for name, why in figures["unavailable"].items():
        print(f"{name} was not measured: {why}", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
