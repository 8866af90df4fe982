"""Events over HTTP: rows of a table without time (`planes` of flight_delay), and that the next prediction has them."""

import json
import time
from typing import Any

from bench.load import Connection, requests_of
from bench.serving_processes import Server, cpu_between

SIZES = (1, 10, 100, 1_000)  # events a request
_JSON = "application/json"


def events(server: Server, name: str, example: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Post new planes for so long, at each size of request, on one connection.

    After each request one prediction is asked, for a flight of its last plane: `seen` counts those that know it. The
    rate is that of the requests with events alone; the CPU is that of the service and all its processes.
    """
    connection, figures, number = Connection(server.port), {}, 0

    def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
        line = json.dumps({"path": f"/v1/pipelines/{name}/{path}", "type": _JSON, "body": json.dumps(body)})
        connection.ask(requests_of([line], server.port)[0])
        while not connection.answered():
            pass
        assert connection.code == 200, connection.body
        answer: dict[str, Any] = json.loads(connection.body)
        return answer

    first = {"tailnum": "B_FIRST", "year": 2000, "manufacturer": "BENCH", "seats": 100}
    ask("events", {"table": "planes", "rows": [first]})  # which reads the declarations: a second
    for size in SIZES:
        posted = taken = asked = seen = 0
        spent, busy = 0.0, 0.0  # seconds of the requests with events, and of the CPU meanwhile
        while spent < seconds:
            planes = [
                {"tailnum": f"B{number + one:07}", "year": 2000, "manufacturer": "BENCH", "seats": 100}
                for one in range(size)
            ]
            number += size
            began, working = time.perf_counter(), server.cpu_seconds()
            taken += ask("events", {"table": "planes", "rows": planes})["taken"]
            spent, busy = spent + time.perf_counter() - began, busy + cpu_between(working, server.cpu_seconds())[1]
            posted += size
            (answer,) = ask("predict", {"rows": [{**example, "tailnum": planes[-1]["tailnum"]}]})["predictions"]
            asked, seen = asked + 1, seen + (answer["statuses"]["planes__status"] != "unknown")
        figures[f"{size} a request"] = {
            "events": posted,
            "taken": taken,
            "events/s": round(posted / spent),
            "CPU of all µs an event": round(busy / posted * 1e6, 1),
            "predictions": asked,
            "seen": seen,
        }
    return figures
