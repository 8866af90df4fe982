"""What a history costs: the same work on a lake of few and of many daily partitions.

    python -m bench.history [--days 100 10000] [--files 1000] [--rounds 3] [--keep FOLDER] [--json PATH]

The first days of a lake of N settled days run as they do. The others landed as one file and are copies of the last real
day, with the records that their runs would have written, so that 10,000 days take minutes instead of hours. Each has
its own data files. Then, each in a fresh process: a run that finds nothing, `status`, `models`, and a run after one
more file landed. `--files`: so many small files, from a landed folder to a validated partition. CPU seconds;
`--keep` has the lakes built once.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

_REAL = 8  # days that really run; one of them trains
_COPIED = 1_000  # days that one transaction copies: DuckDB holds a buffer for each of their files


def _land(folder: Path, *days: datetime) -> None:
    """One file with the events of these days."""
    import polars as pl

    from bench.days import rows

    into = folder / "landing" / "events"
    into.mkdir(parents=True, exist_ok=True)
    events = pl.concat([rows(day) for day in days])
    events.write_csv(into / f"{days[0]:%Y-%m-%d}.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")


def build(folder: Path) -> None:
    """A lake of `bench.days.DAYS` settled days in `folder`."""
    from bench.days import DAYS, END, days, events
    from ml_platform.discovery import slices_of
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.state.publishing import publish
    from ml_platform.steps import tables
    from ml_platform.steps.all_steps import STEPS, planner, step_named
    from ml_platform.validation.validated import validated_keys

    start = END - timedelta(days=DAYS)
    _land(folder, *(start + timedelta(days=number) for number in range(_REAL)))
    _land(folder, *(start + timedelta(days=number) for number in range(_REAL, DAYS + 1)))
    ws = Workspace.open(Settings(data=folder, threads=1), slices_of([days]))
    order = ["raw/events", "validated/events", *(f"days/{step.name}" for step in STEPS)]
    keys = days.partitions.keys()  # type: ignore[union-attr]  # it has partitions
    for work in planner(ws, days).work(keys[_REAL - 1]):
        wanted = {"/".join(key) for key in work.only or []}
        for asset in (one for one in order if one in wanted):
            if asset == "raw/events":
                tables.ingest(ws, events, [], "bench", lambda _: None)
            elif asset == "validated/events":
                tables.validate(ws, events, [], work.partition, "bench")
            else:
                step_named(asset.partition("/")[2]).run(ws, days, work.partition, "bench")
    print("real days ran", time.process_time(), file=sys.stderr)
    content = validated_keys(ws.state, events, ws.slices["events"]) or {}
    waiting = [key for key in content if key > keys[DAYS - 1]]  # the day that has landed and is not over
    _copy_rows(ws, keys[_REAL - 1], keys[_REAL:DAYS], waiting)
    _copy_profiles(ws, keys[_REAL - 1], {key: content[key] for key in [*keys[_REAL:DAYS], *waiting]})
    print("rows copied", time.process_time(), file=sys.stderr)
    _record(ws, keys[_REAL - 1], keys[_REAL:DAYS])
    print("recorded", time.process_time(), file=sys.stderr)
    publish(ws)
    began = time.process_time()
    stale = list(planner(ws, days).work())
    print("a plan that looks at everything:", time.process_time() - began, "CPU s", file=sys.stderr)
    ws.close()
    if stale:
        raise SystemExit(f"{folder} is not settled: {stale[0]}")


def _copy_rows(ws: Any, like: str, settled: list[str], waiting: list[str]) -> None:
    """The rows of every table of one day once more for each of other days, with their times moved."""
    from ml_platform.lake.transaction import Author, write

    tables = [("validated", "events", [*settled, *waiting])]
    tables += [("days", name, settled) for name in ("features", "predictions", "performance", "drift")]
    for schema, table, partitions in tables:
        kinds = ws.lake.columns(schema, table)
        if "_partition" not in kinds:
            continue
        moved = [f'"{name}" + days AS "{name}"' for name, kind in kinds.items() if kind == "TIMESTAMP WITH TIME ZONE"]
        moved += ['"id" + number AS "id"'] if "id" in kinds else []
        for begin in range(0, len(partitions), _COPIED):
            with write(ws.lake, Author("bench")) as tx:
                tx.execute(
                    "CREATE OR REPLACE TEMP TABLE wanted AS SELECT p, (p::DATE - ?::DATE) * 24 AS number, "
                    "to_days((p::DATE - ?::DATE)::INTEGER) AS days FROM (SELECT unnest(?::VARCHAR[]) AS p)",
                    [like, like, partitions[begin : begin + _COPIED]],
                )
                tx.execute(
                    f"INSERT INTO {schema}.{table} BY NAME SELECT * EXCLUDE (p, number, days) "
                    f"REPLACE ({', '.join([*moved, 'p AS _partition'])}) FROM {schema}.{table}, temp.wanted "
                    "WHERE _partition = ? ORDER BY _partition",
                    [like],
                )


def _copy_profiles(ws: Any, like: str, content: dict[str, str]) -> None:
    """The profile of one day once more for each of other days: partition → content key."""
    import polars as pl

    from ml_platform.lake.transaction import Author, write

    one = ws.lake.frame("FROM platform.profiles WHERE partition = ?", [like])
    others = pl.DataFrame({"partition": list(content), "content_key": list(content.values())})
    with write(ws.lake, Author("bench")) as tx:
        tx.append("platform", "profiles", others.join(one.drop("partition", "content_key"), how="cross"))


def _record(ws: Any, like: str, partitions: list[str]) -> None:
    """The records, decisions and promotions that runs of these days would have written."""
    import dataclasses

    from bench.days import days, events
    from ml_platform.state import ledger
    from ml_platform.state.schema import decisions, promotions
    from ml_platform.steps.all_steps import STEPS
    from ml_platform.validation.validated import validated_keys

    keys = validated_keys(ws.state, events, ws.slices["events"]) or {}
    waiting = [key for key in keys if key > partitions[-1]]
    _put(ws, "validated/events", like, {key: (keys[key], ()) for key in [*partitions, *waiting]})
    for table in (promotions, decisions):
        logged = ws.state.rows(table.select().where(table.c.partition == like, table.c.pipeline == "days"))
        with ws.state.writing() as connection:
            for partition in partitions:
                for row in logged:
                    entry = {**row._mapping, "partition": partition, "recorded_at": ws.state.stamp()}
                    if table is promotions:
                        entry["effective_at"] = days.partitions.window(partition)[1]  # type: ignore[union-attr]  # it has partitions
                    del entry["seq" if table is promotions else "id"]
                    connection.execute(table.insert().values(entry))
    for step in (step for step in STEPS if step.job == "data"):
        asset = f"days/{step.name}"
        last = ledger.latest_of(ws.state, asset, like)
        with ws.reading():
            newest = ledger.latest(ws.state, asset)
            recipes = {}
            for partition in partitions:
                made = step.key(ws, days, partition)
                recipes[partition] = (made.content_key, made.reads)
                newest[asset, partition] = dataclasses.replace(last, partition=partition)  # what the next key reads
        _put(ws, asset, like, recipes)


def _put(ws: Any, asset: str, like: str, recipes: dict[str, Any]) -> None:
    """Records of an asset like that of one day: partition → content key and reads. Spans move with the days."""
    from dataclasses import astuple

    from ml_platform.state.plan_tables import record_spans
    from ml_platform.state.schema import record_details, records

    last = ws.state.first(
        records.select().where(records.c.asset == asset, records.c.partition == like).order_by(records.c.id.desc())
    )
    moments = ws.state.first(record_spans.select().where(record_spans.c.record_id == last.id))
    details, day = {"display": "{}", "checks": "[]"}, 86_400_000_000
    with ws.state.writing() as connection:
        begin = connection.execute(records.select().order_by(records.c.id.desc()).limit(1)).first().id + 1
        rows, more, spans = [], [], []
        for number, (partition, (key, reads)) in enumerate(recipes.items(), begin):
            own = {"id": number, "partition": partition, "content_key": key, "recorded_at": ws.state.stamp()}
            rows.append({**last._mapping, **own})
            more.append({"record_id": number, **details, "reads": json.dumps([list(astuple(one)) for one in reads])})
            if moments is not None:
                later = (datetime.fromisoformat(partition) - datetime.fromisoformat(like)).days * day
                moved = {name: moment + later for name, moment in moments._mapping.items() if name != "record_id"}
                spans.append({**moved, "record_id": number})
        connection.execute(records.insert(), rows)
        connection.execute(record_details.insert(), more)
        if spans:
            connection.execute(record_spans.insert(), spans)


def _environment(folder: Path, count: int) -> dict[str, str]:
    home = folder.parent / f"home_{folder.name}"
    home.mkdir(exist_ok=True)
    return {
        **os.environ,
        "BENCH_DAYS": str(count),
        "ML_PLATFORM_DATA": str(folder),
        "ML_PLATFORM_PIPELINES": '["bench.days"]',
        "DAGSTER_HOME": str(home),
    }


def _timed(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": round(cpu, 2), "wall": round(time.perf_counter() - began, 2)}


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "ml_platform.cli.main", *words]


def measure(lakes: Path, count: int, rounds: int) -> dict[str, Any]:
    """Medians of what each command takes on a lake of so many days."""
    from bench.days import END

    built = lakes / f"days_{count}"
    if not built.exists():
        unfinished = built.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        script = f"from pathlib import Path; from bench.history import build; build(Path({str(unfinished)!r}))"
        subprocess.run([sys.executable, "-c", script], env=_environment(unfinished, count), check=True)
        unfinished.rename(built)
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=lakes) as scratch:
        folder = Path(scratch) / "data"
        subprocess.run(["cp", "-r", "--reflink=auto", "-p", str(built), str(folder)], check=True)
        environment = _environment(folder, count)
        commands = {
            "first run that finds nothing": _command("run", "days"),
            "run that finds nothing": _command("run", "days"),
            "status": _command("status", "days"),
            "models": _command("models", "days"),
            "one more day": _command("run", "days"),
        }
        for turn in range(rounds):
            for what, command in commands.items():
                if what == "one more day":
                    _land(folder, END + timedelta(days=1 + turn))
                if turn and what.startswith("first"):
                    continue
                taken.setdefault(what, []).append(_timed(command, environment)["cpu"])
                print(count, what, taken[what][-1], file=sys.stderr)
    return {what: statistics.median(seconds) for what, seconds in taken.items()}


def small_files(count: int) -> dict[str, float]:
    """What so many small files take from the landing folder to a lake with the first day validated."""
    from bench.days import END

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        for number in range(count):
            _land(folder, END - timedelta(days=count - number))
        script = "from pathlib import Path; from bench.history import take_in; take_in(Path(" + repr(str(folder)) + "))"
        return _timed([sys.executable, "-c", script], _environment(folder, count))


def take_in(folder: Path) -> None:
    """Ingest and screen what landed, and validate the first day."""
    from bench.days import days, events
    from ml_platform.discovery import slices_of
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.steps import tables

    ws = Workspace.open(Settings(data=folder), slices_of([days]))
    tables.ingest(ws, events, [], "bench", lambda _: None)
    tables.validate(ws, events, [], days.partitions.since, "bench")  # type: ignore[union-attr]  # it has partitions
    ws.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, nargs="*", default=[100, 10_000])
    parser.add_argument("--files", type=int, nargs="*", default=[1_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="where lakes are built, and found again by the next run")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        lakes = (options.keep or Path(scratch)).resolve()
        lakes.mkdir(parents=True, exist_ok=True)
        for count in options.days:
            report[f"{count} days"] = measure(lakes, count, options.rounds)
    for count in options.files:
        report[f"{count} small files"] = small_files(count)
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
