"""Which version of a row counts (S2, S5, S6): files through the real ingestion, against a version written key by key.

Files of three paths arrive, some of them at once. A key's contents change, return from another file, vanish, and may
never be known. Features, the inputs of examples and labels must agree with the naive lives of the keys.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform import Examples, Files, Latest, LightGBM, ModelPipeline, Monthly, Table, Window
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.offline import compute, examples_sql
from ml_platform.training.labels import labelled, moment_sql
from ml_platform.validation import file_plans
from ml_platform.validation.validated import validated_key
from ml_platform.validation.version_order import with_paths
from ml_platform_tests.examples import tries
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, utc

JANUARY = utc("2013-01-10")
HOUR = timedelta(hours=1)
# What content 0 to 3 of a key says: km, minutes late, and after how many hours it is known (None: never).
CONTENTS = [(5.0, 10.0, 1), (6.0, 20.0, 30), (7.0, 30.0, 100), (8.0, 40.0, None)]


class Trip(dy.Schema):
    """A trip: `km` is its input, `late` its outcome, known from `told` on."""

    id = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    told = dy.Datetime(time_zone="UTC", nullable=True)
    km = dy.Float64()
    late = dy.Float64()


def pipeline(name: str, refresh: str | None, on_conflict: str) -> ModelPipeline:
    files = Files(f"{name}/*.csv")
    table = Table(name, files, Trip, event_time="at", known_at="told", refresh=refresh, on_conflict=on_conflict)
    return ModelPipeline(
        f"{name}_late",
        tables=(table,),
        examples=Examples(name, key="id", at="at", inputs=("km",), label=pl.col("late")),
        features=(
            Latest(name, on="id", take=("late",), as_="last"),
            Window(name, by="id", of="late", agg=("sum", "count"), over=("60d",), as_="w"),
        ),
        trainer=LightGBM(),
        partitions=Monthly("2013-01", "2014-01"),
    )


@dataclass
class Arrival:
    """A file that arrives `hours` after the tenth of January: key → content."""

    hours: int
    path: str
    rows: dict[int, int]

    @property
    def moment(self) -> datetime:
        return JANUARY + self.hours * HOUR


@dataclass
class Life:
    """The contents that a key had, each with the arrival at which it became current; None: it was gone."""

    steps: list[tuple[datetime, int | None]] = field(default_factory=list)


def lives(arrivals: list[Arrival], on_conflict: str) -> dict[int, Life]:
    """S6, S35: what stood after each arrival."""
    keys = sorted({key for arrival in arrivals for key in arrival.rows})
    return {key: _life(key, arrivals, on_conflict) for key in keys}


def _life(key: int, arrivals: list[Arrival], on_conflict: str) -> Life:
    life, offered, current = Life(), dict[str, tuple[int, int]](), None  # path → content, since which step
    for step, arrival in enumerate(arrivals):
        before = offered.pop(arrival.path, (None, step))
        new = arrival.rows.get(key)
        if new is not None:
            offered[arrival.path] = (new, before[1] if before[0] == new else step)
        changed = new is not None and new != before[0]
        contents = [content for content, _ in offered.values()]
        if on_conflict == "latest" and changed:
            standing = new
        elif current is not None and current in contents:
            standing = current
        elif changed:
            standing = new
        elif contents and current is not None:
            choose = max if on_conflict == "latest" else min
            standing = choose(offered.values(), key=lambda offer: offer[1])[0]
        else:
            standing = None
        if standing != current:
            life.steps.append((arrival.moment, standing))
            current = standing
    return life


@dataclass
class Version:
    arrival: datetime
    known: datetime | None
    usable: datetime | None
    content: int
    end: datetime | None = None


def versions_of(life: Life, refresh: str | None) -> list[Version]:
    """S2, S5, S6: when each content of a key is known, usable and over."""
    versions: list[Version] = []
    ends: list[list[datetime]] = []
    first = True
    for moment, content in life.steps:
        told = None if content is None else CONTENTS[content][2]
        known = None if told is None else JANUARY + told * HOUR
        if known is not None and not first:
            known = max(known, moment)  # a correction is known from its arrival at the earliest
        over = _refreshed(moment if known is None else known, refresh)
        for earlier in ends:
            earlier.append(over)
        if content is not None:
            versions.append(Version(moment, known, None if known is None else over, content))
            ends.append([])
            first = False
    return [replace(version, end=min(end, default=None)) for version, end in zip(versions, ends, strict=True)]


def _refreshed(moment: datetime, refresh: str | None) -> datetime:
    if refresh is None:
        return moment
    day = moment.replace(hour=0)
    return day if day == moment else day + 24 * HOUR


@st.composite
def arrivals_of_files(draw: st.DrawFn) -> list[Arrival]:
    """Up to six files of three paths; files of different paths may arrive at once."""
    hours, arrivals = 0, dict[tuple[int, str], Arrival]()
    for _ in range(draw(st.integers(2, 6))):
        hours += draw(st.sampled_from([0, 0, 7, 24, 40]))
        path = draw(st.sampled_from(["a.csv", "b.csv", "c.csv"]))
        rows = draw(st.dictionaries(st.integers(0, 15), st.integers(0, 3), min_size=8, max_size=16))
        arrivals[hours, path] = Arrival(hours, path, rows)
    return sorted(arrivals.values(), key=lambda arrival: (arrival.hours, arrival.path))


def land(sandbox: IngestionSandbox, declared: ModelPipeline, arrivals: list[Arrival]) -> None:
    [table] = declared.tables
    for arrival in arrivals:
        lines = []
        for key, content in arrival.rows.items():
            km, late, told = CONTENTS[content]
            known = "" if told is None else f"{JANUARY + told * HOUR:%Y-%m-%dT%H:%M:%SZ}"
            lines.append(f"{key},{JANUARY:%Y-%m-%dT%H:%M:%SZ},{known},{km},{late}\n")
        sandbox.land(table, arrival.path, "id,at,told,km,late\n" + "".join(lines), arrival.moment)
        sandbox.ingest(table)
    sandbox.run(table)


def inputs(sandbox: IngestionSandbox, declared: ModelPipeline, at: datetime) -> dict[int, float]:
    """km of each example, had it been predicted at `at`."""
    table = declared.examples.table
    rows = f'SELECT * REPLACE ({moment_sql(at)} AS "at") FROM ({with_paths(sandbox.state, table)})'
    sql = examples_sql(FeatureDefinition.of(declared), rows, None, None)
    return dict(sandbox.lake.rows(f"SELECT id, km FROM ({sql})"))


def labels(sandbox: IngestionSandbox, declared: ModelPipeline, decided_at: datetime) -> dict[int, float]:
    examples = f"(SELECT DISTINCT id FROM validated.{declared.label_table})"
    label_rows = with_paths(sandbox.state, declared.label_table)
    with labelled(sandbox.lake, sandbox.stores.blobs, declared, label_rows, examples, decided_at) as relation:
        rows = sandbox.lake.rows(f"SELECT id, _label FROM {relation} WHERE _label IS NOT NULL")
    answers = dict(rows)
    assert len(rows) == len(answers)  # no example twice
    some = f"{examples[:-1]} WHERE id BETWEEN 3 AND 6)"
    with labelled(sandbox.lake, sandbox.stores.blobs, declared, label_rows, some, decided_at, few=True) as relation:
        rows = sandbox.lake.rows(f"SELECT id, _label FROM {relation} WHERE _label IS NOT NULL")
    assert dict(rows) == {key: label for key, label in answers.items() if 3 <= key <= 6}
    return answers


def features(
    sandbox: IngestionSandbox, declared: ModelPipeline, keys: list[int], at: datetime
) -> dict[int, dict[str, Any]]:
    definition, table = FeatureDefinition.of(declared), declared.examples.table
    listed = ", ".join(f"({key}, {moment_sql(at)}, 0.0)" for key in keys)
    examples = f'SELECT * FROM (VALUES {listed}) t(id, "at", km)'
    made = compute(sandbox.lake.connection, definition, examples, {table: f"validated.{table}"})
    return {row["id"]: row for row in sandbox.lake.frame(f"FROM {made}").to_dicts()}


@settings(
    max_examples=tries(8),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    arrivals=arrivals_of_files(),
    refresh=st.sampled_from([None, "1d"]),
    on_conflict=st.sampled_from(["latest", "quarantine"]),
)
def test_features_inputs_and_labels_follow_one_order_of_versions(
    sandbox: IngestionSandbox, arrivals: list[Arrival], refresh: str | None, on_conflict: str
) -> None:
    name = f"trips{len(list(sandbox.landing.glob('*')))}" if sandbox.landing.exists() else "trips"
    declared = pipeline(name, refresh, on_conflict)
    land(sandbox, declared, arrivals)
    lived = {key: versions_of(life, refresh) for key, life in lives(arrivals, on_conflict).items()}
    began = min((v.usable for life in lived.values() for v in life if v.usable), default=None)
    for at in [JANUARY + hours * HOUR for hours in (0, 8, 25, 48, 73, 240)]:
        assert inputs(sandbox, declared, at) == {
            key: CONTENTS[([v for v in life if v.arrival <= at] or life[:1])[-1].content][0]
            for key, life in lived.items()
        }
        standing = {
            key: [v for v in life if v.known and v.known < at and (v.end is None or v.end >= at)]
            for key, life in lived.items()
        }
        expected = {key: CONTENTS[life[-1].content][1] for key, life in standing.items() if life}
        assert labels(sandbox, declared, at) == expected
        for key, row in features(sandbox, declared, list(lived), at).items():
            usable = [v for v in lived[key] if v.usable and v.usable < at and (v.end is None or v.end >= at)]
            value = CONTENTS[usable[-1].content][1] if usable else None
            assert len(usable) <= 1
            assert row["last__late"] == (value if at >= JANUARY else None)
            if began is None or at <= began:  # S14
                assert (row["w_sum_60d"], row["w_count_60d"]) == (None, None)
            else:
                assert (row["w_sum_60d"], row["w_count_60d"]) == (value or 0.0, len(usable))


def test_a_row_that_is_never_known_stays_so_with_refresh(sandbox: IngestionSandbox) -> None:  # C19
    declared = pipeline("trips", "1d", "quarantine")
    land(sandbox, declared, [Arrival(200, "a.csv", {0: 0, 1: 3, 2: 0, 3: 0})])
    # Key 2 is withdrawn by a correction that is never known, key 3 by its absence.
    land(sandbox, declared, [Arrival(240, "a.csv", {0: 1, 1: 3, 2: 3})])
    [table] = declared.tables
    rows = sandbox.validated(table).sort("id", "_arrival").select("id", "late", "_usable_at", "_superseded_at")
    day = utc("2013-01-11")
    assert rows.rows() == [
        (0, 10.0, day, utc("2013-01-20")),
        (0, 20.0, utc("2013-01-20"), None),
        (1, 40.0, None, None),
        (2, 10.0, day, utc("2013-01-20")),
        (2, 40.0, None, None),
        (3, 10.0, day, utc("2013-01-20")),
    ]
    assert labels(sandbox, declared, utc("2013-01-15")) == {0: 10.0, 2: 10.0, 3: 10.0}
    assert labels(sandbox, declared, utc("2013-02-15")) == {0: 20.0}
    late = features(sandbox, declared, [0, 1, 2, 3], utc("2013-02-15"))
    assert [late[key]["last__late"] for key in range(4)] == [20.0, None, None, None]
    assert [late[key]["w_count_60d"] for key in range(4)] == [1, 0, 0, 0]


def test_a_superseded_label_does_not_beat_its_correction_until_the_refresh(sandbox: IngestionSandbox) -> None:
    # Known 30 hours on, corrected 25 hours on to something that was known at once: both wait for the second midnight.
    declared = pipeline("trips", "1d", "quarantine")
    land(sandbox, declared, [Arrival(0, "a.csv", {0: 1})])
    land(sandbox, declared, [Arrival(25, "a.csv", {0: 0})])
    assert labels(sandbox, declared, JANUARY + 40 * HOUR) == {0: 10.0}


def test_a_row_that_comes_back_is_the_newest_version(sandbox: IngestionSandbox) -> None:
    declared = pipeline("trips", None, "latest")
    land(sandbox, declared, [Arrival(10, "b.csv", {0: 0})])
    land(sandbox, declared, [Arrival(20, "a.csv", {0: 1})])
    land(sandbox, declared, [Arrival(50, "a.csv", {1: 0})])
    found = [inputs(sandbox, declared, JANUARY + hours * HOUR)[0] for hours in (0, 10, 20, 49, 50)]
    assert found == [5.0, 5.0, 6.0, 6.0, 5.0]
    assert [labels(sandbox, declared, JANUARY + hours * HOUR).get(0) for hours in (15, 31, 51)] == [10.0, 20.0, 10.0]


@pytest.mark.parametrize("paths", [("a.csv", "b.csv"), ("m.csv", "n.csv"), ("x.csv", "y.csv")])
def test_of_two_files_of_one_arrival_the_path_decides_and_no_hash(
    sandbox: IngestionSandbox, paths: tuple[str, str]
) -> None:
    declared = pipeline("trips", None, "latest")
    land(sandbox, declared, [Arrival(10, paths[0], {0: 0}), Arrival(10, paths[1], {0: 1})])
    assert [inputs(sandbox, declared, JANUARY + hours * HOUR)[0] for hours in (0, 10)] == [5.0, 6.0]


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("m.csv", "n.csv"), ("x.csv", "y.csv")])
def test_one_key_in_two_partitions_is_one_example_with_one_label(
    sandbox: IngestionSandbox, names: tuple[str, str]
) -> None:
    declared = pipeline("trips", None, "quarantine")
    [table] = declared.tables
    head = "id,at,told,km,late\n"
    sandbox.land(table, names[0], f"{head}0,2013-01-10T00:00:00Z,2013-01-11T00:00:00Z,5,10\n", JANUARY)
    sandbox.land(table, names[1], f"{head}0,2013-02-10T00:00:00Z,2013-01-11T00:00:00Z,6,20\n", JANUARY)
    sandbox.run(table)
    assert inputs(sandbox, declared, JANUARY) == {0: 6.0}
    assert labels(sandbox, declared, utc("2013-03-01")) == {0: 20.0}


@pytest.mark.parametrize("refresh", [None, "1d"])
def test_a_correction_that_is_usable_before_an_older_version_ends_it_for_good(
    sandbox: IngestionSandbox, refresh: str | None
) -> None:
    declared = pipeline("trips", refresh, "quarantine")
    land(sandbox, declared, [Arrival(0, "a.csv", {0: 2})])  # known after 100 hours
    land(sandbox, declared, [Arrival(25, "a.csv", {0: 0})])  # known at its arrival
    assert [labels(sandbox, declared, JANUARY + hours * HOUR) for hours in (20, 50, 101, 300)] == [{}, *[{0: 10.0}] * 3]


def test_of_one_key_in_two_partitions_the_one_that_became_usable_last_counts(sandbox: IngestionSandbox) -> None:
    declared = pipeline("trips", None, "quarantine")
    [table] = declared.tables
    head = "id,at,told,km,late\n"
    sandbox.land(table, "a.csv", f"{head}0,2013-01-10T00:00:00Z,2013-02-20T00:00:00Z,5,10\n", JANUARY)
    sandbox.land(table, "b.csv", f"{head}0,2013-02-10T00:00:00Z,2013-02-11T00:00:00Z,6,20\n", JANUARY + HOUR)
    sandbox.run(table)
    assert [labels(sandbox, declared, utc(day)) for day in ("2013-02-15", "2013-03-01")] == [{0: 20.0}, {0: 10.0}]
    assert inputs(sandbox, declared, utc("2013-03-01")) == {0: 6.0}  # usable from its arrival on


def test_only_a_partition_whose_versions_are_ordered_anew_has_a_new_key(
    sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, refreshed = (pipeline("trips", refresh, "latest") for refresh in (None, "1d"))

    def keys(declared: ModelPipeline) -> tuple[str | None, str | None]:
        [table] = declared.tables
        before = validated_key(sandbox.state, table, declared.partitions, "2013-01")
        with monkeypatch.context() as patch:
            patch.setattr(file_plans, "_ORDER_VERSION", 99)
            return before, validated_key(sandbox.state, table, declared.partitions, "2013-01")

    land(sandbox, plain, [Arrival(0, "a.csv", {0: 0})])
    land(sandbox, plain, [Arrival(1, "b.csv", {1: 0})])
    assert len(set(keys(plain))) == 1
    assert len(set(keys(refreshed))) == 2  # a row may never be known
    land(sandbox, plain, [Arrival(1, "c.csv", {1: 0})])
    assert len(set(keys(plain))) == 2  # two files arrived at once
