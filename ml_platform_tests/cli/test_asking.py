"""The commands that only read: their JSON keys (docs/cli.md), and what people see on 80 columns."""

import json
from pathlib import Path

import pytest

from ml_platform import discovery
from ml_platform.cli.output import emit_table
from ml_platform.lake.connection import Lake
from ml_platform.settings import Settings
from ml_platform.spec.declarations import Declarations
from ml_platform_tests.cli.terminal import invoke, invoke_json

STATUS = (
    "pipeline partition rows quarantined metric realised gates outcome reasons champion waits_for waiting_since "
    "given_up"
)
KEYS = {
    ("pipelines",): "name task partitions tables features gates owners description problem",
    ("status",): STATUS,
    ("status", "trip_delay"): STATUS,
    (
        "models",
        "trip_delay",
    ): "version serves partition metric holdout gates_passed gates promoted training_set bundle seconds",
    (
        "models",
        "trip_delay",
        "--history",
    ): "seq pipeline action version previous partition effective_at actor reason overrides recorded_at run_id "
    "candidate",
    ("quarantine", "trip_delay"): "table partition rule rows example",
    ("quarantine", "trip_delay", "--rows", "5"): "table partition file row rule reason raw",
    ("quarantine", "trip_delay", "--replay"): "table stale passing still refused",
    ("doctor",): "name state detail remedy",
}


@pytest.mark.parametrize("words", KEYS, ids=" ".join)
def test_the_json_of_a_command_has_the_documented_keys(shared_platform: Path, words: tuple[str, ...]) -> None:
    rows = invoke_json(*words)
    assert all(list(row) == KEYS[words].split() for row in rows)
    assert rows


def test_the_json_of_a_version_holds_its_verdicts(shared_platform: Path) -> None:
    facts = invoke_json("models", "trip_delay@1")
    assert " ".join(facts) == (
        "version serves partition decided_at created_at training_set bundle bounds parameters metrics environment "
        "code_version durations run_id content_key verdicts"
    )
    assert {" ".join(verdict) for verdict in facts["verdicts"]} == {
        "gate slice value threshold low high passed severity measurement rows detail"
    }
    assert {verdict["passed"] for verdict in facts["verdicts"]} <= {"passed", "failed", "warning", "not judged"}


@pytest.mark.parametrize(
    "words",
    [
        "pipelines",
        "status",
        "models trip_delay",
        "models trip_delay@1",
        "models trip_delay --history",
        "quarantine trip_delay",
        "sql FROM+trip_delay.predictions+LIMIT+3",
        "sql FROM+trip_delay.features+LIMIT+3",
    ],
)
def test_a_table_fits_80_columns_and_folds_no_word(shared_platform: Path, words: str) -> None:
    shown = invoke(*(word.replace("+", " ") for word in words.split())).stdout
    tables = [line for line in shown.splitlines() if "  " in line and not line.startswith("holdout")]
    assert tables
    assert max(map(len, tables)) <= 80


def test_reading_neither_waits_for_a_writer_nor_touches_the_lake(shared_platform: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in shared_platform.rglob("*.parquet")}
    with Lake(Settings(data=shared_platform)) as lake, lake.locked("a long write"):
        for words in ("status", "models trip_delay", "quarantine trip_delay", "sql SELECT+1"):
            assert invoke(*(word.replace("+", " ") for word in words.split())).exit_code == 0
        (lock,) = [found for found in invoke_json("doctor") if found["name"] == "write lock"]
        assert lock["state"] == "warn" and "a long write" in lock["detail"]
    assert {path: path.stat().st_mtime_ns for path in shared_platform.rglob("*.parquet")} == before


def test_sql_shows_values_as_they_are(shared_platform: Path) -> None:
    query = (
        "SELECT NULL AS nothing, '' AS empty, 2013 AS year, 0.1::DOUBLE AS tenth, true AS yes, "
        "TIMESTAMPTZ '2024-01-02 03:04:05.5Z' AS moment, [1, 2] AS list, 'a\x1b[31m' AS red"
    )
    table = invoke("sql", f"{query} UNION ALL {query}").stdout
    assert "\x1b[31m" not in table and "NULL" in table and "2013 " in table and "2,013" not in table
    assert "2024-01-02 03:04:05.5" in table
    assert invoke_json("sql", query) == [
        {
            "nothing": None,
            "empty": "",
            "year": 2013,
            "tenth": 0.1,
            "yes": True,
            "moment": "2024-01-02T03:04:05.500000+00:00",
            "list": [1, 2],
            "red": "a\x1b[31m",
        }
    ]
    assert invoke_json("sql", "SELECT 'nan'::DOUBLE AS a, '-inf'::DOUBLE AS b, 1.10::DECIMAL(9,2) AS c") == [
        {"a": "nan", "b": "-inf", "c": "1.10"}
    ]


def test_a_plan_is_shown_as_it_is_drawn(shared_platform: Path) -> None:
    assert "┌──" in invoke("sql", "EXPLAIN FROM trip_delay.features").stdout.splitlines()[0]


def test_what_has_no_room_is_named_and_one_wide_row_stands_upright(shared_platform: Path) -> None:
    wide = ", ".join(f"'{'x' * 30}' AS column_{number}" for number in range(12))
    several = invoke("sql", f"SELECT {wide} FROM range(2)")
    assert "No room for column_3" in several.stderr and "and 4 more columns" in several.stderr
    one = invoke("sql", f"SELECT {wide}")
    assert "column_11" in one.stdout and "No room" not in one.stderr


def test_a_cut_answer_says_so_beside_the_answer(shared_platform: Path) -> None:
    result = invoke("sql", "FROM range(5)", "--limit", "2", "--json")
    assert len(json.loads(result.stdout)) == 2 and "first 2 rows" in result.stderr


@pytest.mark.parametrize("words", ["status", "models trip_delay", "alerts trip_delay"])
def test_a_command_loads_the_declarations_once(
    shared_platform: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    loads: list[Settings | None] = []
    load = discovery.declarations

    def counted(settings: Settings | None = None) -> Declarations:
        loads.append(settings)
        return load(settings)

    monkeypatch.setattr(discovery, "declarations", counted)
    assert invoke(*words.split()).exit_code == 0
    assert len(loads) == 1


def test_status_tells_of_files_that_wait_and_of_refused_ones(platform: Path) -> None:
    (platform / "landing" / "trips" / "trips_2024-04.csv").write_text("trip\n")
    assert "1 file waits: `ml-platform run trip_delay`" in invoke("status", "trip_delay").stderr


def test_an_empty_platform_says_how_to_begin(data_folder: Path) -> None:
    result = invoke("status")
    assert result.exit_code == 1 and "There is no lake" in result.stderr and "ml-platform run" in result.stderr
    assert [f["state"] for f in invoke_json("doctor") if f["name"] == "lake"] == ["warn"]


def test_a_model_card_is_markdown_of_one_version(shared_platform: Path) -> None:
    card = invoke("models", "trip_delay@1", "--card")
    assert card.exit_code == 0
    assert card.stdout.startswith("# trip_delay@1\n") and "## Gates" in card.stdout
    for words in (("trip_delay", "--card"), ("trip_delay@1", "--card", "--json")):
        refused = invoke("models", *words)
        assert refused.exit_code == 2 and "--card needs a version, and prints Markdown" in refused.stderr


def test_what_is_piped_is_not_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    emit_table([{"partition": "2013-01", "reason": "because " * 30}])
    emit_table([{"partition": "2013-01", "reason": "because " * 30}] * 2)
    told = capsys.readouterr().out
    assert "…" not in told and told.count("because") == 90 and told.count("2013-01") == 3
