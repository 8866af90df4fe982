"""Wrong arguments get the usage and exit code 2, broken surroundings a message and 1; nobody gets a trace."""

import errno
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ml_platform.cli.command import Command
from ml_platform_tests.cli.terminal import invoke

ARGUMENTS = {
    "an unknown pipeline": ("models trip_dely", "no pipeline 'trip_dely'"),
    "an unknown pipeline to run": ("run trip_dely", "no pipeline 'trip_dely'"),
    "no pipeline at all": ("run", "Missing argument 'PIPELINE'"),
    "an unknown command": ("modells", "No such command"),
    "an unknown option": ("status --jsn", "--jsn"),
    "a version that is none": ("models trip_delay@x", "'trip_delay@x' is not a version"),
    "a version of other digits": ("models trip_delay@²", "is not a version"),
    "a version to promote without number": ("promote trip_delay --why good", "is not a version"),
    "a version that does not exist": ("models trip_delay@99", "no version 'trip_delay@99'"),
    "a version to reproduce that does not exist": ("reproduce trip_delay@99", "no version 'trip_delay@99'"),
    "a version to promote that does not exist": ("promote trip_delay@99 --why good", "no version 'trip_delay@99'"),
    "the history of a version": ("models trip_delay@1 --history", "--history needs a pipeline without a version"),
    "an unknown table": ("land trip_delay trps pyproject.toml", "no table 'trps'"),
    "a missing file": ("land trip_delay trips nowhere.csv", "nowhere.csv"),
    "a file of another table": ("land trip_delay trips pyproject.toml", "is not one of trips"),
    "a moment that is none": ("land trip_delay trips pyproject.toml --arrived 2024-02-30", "--arrived"),
    "an unknown month": ("run trip_delay --through 2031-01", "no month '2031-01'"),
    "a month that is none": ("run trip_delay --only 2024-13", "no month '2024-13'"),
    "two ways to choose months": ("run trip_delay --only 2024-01 --through 2024-02", "exclude each other"),
    "a span that is none": ("maintain --keep 7days", "'7days' is not a span of time"),
    "a limit below one": ("sql SELECT+1 --limit -3", "--limit"),
    "a query that writes": ("sql DELETE+FROM+trip_delay.features", "Only reading statements are allowed"),
    "a statement of plain DuckDB": ("sql SET+threads=1", "this is SET. Attach the lake read-only in plain DuckDB"),
    "a copy": ("sql COPY+(SELECT+1)+TO+'x.csv'", "this is COPY. Attach the lake read-only in plain DuckDB"),
    "no query": ("sql +", "There is no statement."),
    "a query in a text": ("sql FROM+query('SELECT+1')", "Write the query itself"),
    "a query that is none": ("sql SELEKT+1", "not SQL"),
    "a column that is not there": ("sql SELECT+nope+FROM+trip_delay.features", "nope"),
    "a rollback without a reason": ("rollback trip_delay", "--why"),
    "a rollback with an empty reason": ("rollback trip_delay --why +", "--why"),
    "a rollback to version 0": ("rollback trip_delay --why bad --to 0", "--to"),
    "a rollback to what never served": ("rollback trip_delay --why bad --to 7", "no earlier champion 'trip_delay@7'"),
    "nothing to trace": ("lineage trip_delay", "one of --model, --file and --record"),
    "two things to trace": ("lineage trip_delay --model 1 --file drivers.csv", "one of --model, --file"),
    "a prediction that was not made": ("why trip_delay nope", "for the key 'nope'"),
    "a misspelt key": ("why trip_delay 20240201x", "Did you mean '202402"),
    "a time without prediction": ("why trip_delay 202402 --at 2031", "at 2031 for the key '202402'"),
    "a version to ask that does not exist": ("why trip_delay 202402 --version 99", "no version 'trip_delay@99'"),
    "a misspelt pipeline": ("status trip_dealy", "Did you mean 'trip_delay'?"),
    "a pipeline in other case": ("run Trip_Delay", "Did you mean 'trip_delay'?"),
    "a misspelt table": ("land trip_delay trisp pyproject.toml", "Did you mean 'trips'?"),
    "a misspelt partition": ("run trip_delay --only 2042-01", "Did you mean '2024-01'?"),
    "a version that is not there yet": ("models trip_delay@11", "Did you mean 'trip_delay@1'?"),
    "a misspelt example": ("example flight_dealy", "Did you mean 'flight_delay'?"),
    "a misspelt file": ("lineage trip_delay --file trips_2024_01.csv", "Did you mean 'trips_2024-01.csv'?"),
    "a version to trace that does not exist": ("lineage trip_delay --model 99", "no version 'trip_delay@99'"),
    "a version to trace of no number": ("lineage trip_delay --model two", "--model"),
    "a file that never landed": ("lineage trip_delay --file trips/nope.csv", "no file of trip_delay 'trips/nope.csv'"),
    "a file of another pipeline": ("lineage trip_delay --file plans.csv", "no file of trip_delay 'plans.csv'"),
    "a picture of what is recorded": ("lineage trip_delay --record --svg x.svg", "--svg draws"),
    "counting and listing at once": ("quarantine trip_delay --replay --rows 3", "excludes --rows"),
}


@pytest.mark.parametrize(("words", "said"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_a_wrong_argument_gets_the_usage(shared_platform: Path, words: str, said: str) -> None:
    result = invoke(*(word.replace("+", " ") for word in words.split()))
    assert result.exit_code == 2
    assert "Usage: ml-platform" in result.stderr and said in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""


def test_a_damaged_catalog_is_a_message(data_folder: Path) -> None:
    (data_folder / "lake").mkdir(parents=True)
    (data_folder / "lake" / "catalog.sqlite").write_bytes(b"rust" * 2000)
    for words in (["status"], ["run", "trip_delay"], ["sql", "SELECT 1"]):
        result = invoke(*words)
        assert result.exit_code == 1 and "cannot be opened" in result.stderr and "restore" in result.stderr


def test_a_lost_data_file_is_a_message(platform: Path) -> None:
    for file in (platform / "lake" / "tables" / "trip_delay" / "performance").rglob("*.parquet"):
        file.unlink()
    result = invoke("status", "trip_delay")
    assert result.exit_code == 1 and "could not be read" in result.stderr and "doctor" in result.stderr


def test_a_folder_that_cannot_be_written_is_a_message(data_folder: Path) -> None:
    data_folder.write_text("a file where a folder should be")
    for words in (["run", "trip_delay"], ["land", "trip_delay", "trips", "pyproject.toml"], ["maintain"]):
        result = invoke(*words)
        assert result.exit_code in (1, 2) and result.stderr


def test_a_full_disk_is_named_by_the_data_folder_of_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_PLATFORM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ML_PLATFORM_DATA=lakes\n")
    app = typer.Typer()

    @app.command(cls=Command)
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    result = CliRunner().invoke(app, [], catch_exceptions=False)
    assert result.exit_code == 1
    assert "The disk of lakes is full: " in " ".join(result.stderr.split())


def test_a_run_without_a_home_for_dagster_says_so(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data_folder.parent)
    for home in ("", "/nowhere/at/all"):
        monkeypatch.setenv("DAGSTER_HOME", home)
        result = invoke("run", "trip_delay")
        assert result.exit_code == 1 and "DAGSTER_HOME" in result.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ML_PLATFORM_PIPELINES", "town", "not a JSON list"),
        ("ML_PLATFORM_PIPELINES", '["no.such"]', "no module 'no.such'"),
        ("ML_PLATFORM_THREADS", "many", "ML_PLATFORM_THREADS"),
    ],
)
def test_a_wrong_setting_is_named(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    result = invoke("pipelines")
    assert result.exit_code == 1 and said in result.stderr


HEAD = """import dataframely as dy
from ml_platform import AtLeast, Examples, Files, LightGBM, ModelPipeline, Split, Table, Window

class Rows(dy.Schema):
    key = dy.Int64(primary_key=True)
    good = dy.Bool()
    size = dy.Float64()

rows = Table("rows", Files("rows.csv"), contract=Rows)
def declared(**changes):
    fields = dict(name="p", tables=[rows], features=[], trainer=LightGBM(), split=Split(validation=0.1, holdout=0.1),
                  examples=Examples("rows", key="key", inputs=["size"], label="good"))
    return ModelPipeline(**{**fields, **changes})

"""
DECLARATIONS = {
    "not Python": ("p = declared(", "line 15: this is not Python: '(' was never closed."),
    "an unknown column": (
        'p = declared(examples=Examples("rows", key="key", inputs=["szie"], label="good"))',
        "inputs names 'szie', which rows does not have. Its columns: key, good, size.",
    ),
    "an unknown parameter": ('w = Window("rows", by="key", ovr=["1d"])', "there is no parameter 'ovr'. It takes"),
    "a value that is not among those": (
        'w = Window("rows", of="size", agg=["median"], over=["1d"])',
        "agg[0]='median' is not a known value. Allowed: 'count', 'sum', 'mean'",
    ),
    "a text for a list": ('w = Window("rows", over="1d")', "over='1d' is not a list. Write ['1d']."),
    "a number out of range": ("t = LightGBM(num_leaves=1)", "num_leaves=1 must be greater than or equal to 2."),
    "a word that is missing": ("p = ModelPipeline('p')", "tables, examples, features, trainer is missing."),
    "a feature that is none": (
        'p = declared(features=["size"])',
        "features[0]='size' is a text. Allowed: Derived, Lookup, Latest, Window, Since, TimeSince.",
    ),
    "a text for a number": ('g = AtLeast("roc_auc", "high")', "floor='high' is not a number."),
    "a name that is not defined": ("p = declard()", "line 15: NameError: name 'declard' is not defined."),
    "a package that is not there": ("import no_such_package", "line 15: No module named 'no_such_package'."),
}


@pytest.mark.parametrize(("line", "said"), DECLARATIONS.values(), ids=DECLARATIONS.keys())
def test_a_broken_declaration_is_one_sentence_with_file_and_line(
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    line: str,
    said: str,
) -> None:
    name = f"declared_{abs(hash(request.node.name))}"  # a module that no other test has imported
    (tmp_path / f"{name}.py").write_text(f"{HEAD}{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", f'["{name}"]')
    result = invoke("pipelines")
    message = " ".join(result.stderr.split())
    assert result.exit_code == 1 and said in message and f"{tmp_path / name}.py, line" in message
