"""`ml-platform new`: from a file to a judged candidate, or one sentence about why not and nothing written."""

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ml_platform.discovery import find
from ml_platform.settings import Settings
from ml_platform.sources.file_reading import read
from ml_platform.spec.sources import Files
from ml_platform_tests import scenario
from ml_platform_tests.authoring import sample_files
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.world import World

NAMES = ["key", "size", "left"]


@pytest.fixture
def team(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package of pipelines of our own, which the settings name first, and the folder we are in."""
    package = tmp_path / f"team_{os.urandom(4).hex()}"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", json.dumps([package.name]))
    monkeypatch.chdir(tmp_path)
    return package


def _plain(count: int = 60) -> list[list[object]]:
    return [[f"k{n}", n % 7, "yes" if n % 3 else "no"] for n in range(count)]


def _written(folder: Path) -> list[str]:
    imported = ("__init__.py", "__pycache__")
    return sorted(path.name for path in folder.rglob("*") if path.name not in imported and path.suffix != ".pyc")


def test_two_commands_and_a_run_make_a_judged_candidate(team: Path, tmp_path: Path) -> None:
    rows = [[f"k{n}", (n * 37) % 100, n % 5, "yes" if (n * 37) % 100 > 60 - 8 * (n % 5) else "no"] for n in range(400)]
    noisy = [[*row[:3], ("yes", "no")[n % 2] if n % 6 == 0 else row[3]] for n, row in enumerate(rows)]
    sample_files.write(tmp_path / "Accounts 2025.csv", ["Account No.", "Age", "Plan", "Left?"], noisy)
    told = invoke_json("new", "churn", "--from", "Accounts 2025.csv", "--target", "Left?", "--yes")
    assert (told["task"], told["key"], told["positive"]) == ("binary", ["account_no"], True)
    assert told["quarantined"] == [] and told["next"][-1] == "ml-platform run churn"
    landed = invoke_json(*told["next"][0].replace("'Accounts 2025.csv'", "Accounts 2025.csv").split(maxsplit=4)[1:])
    assert landed[0]["landed"].endswith("landing/accounts_2025/Accounts 2025.csv")

    declared = replace(find("churn"), drift=scenario.NO_REPORT)  # drawing one takes seconds
    with closing(World(Settings(threads=1, lock_timeout=20), [declared])) as world:
        world.run()
        champion = world.display("churn/champion", "all")
    assert champion["candidate"] == "churn@1" and champion["outcome"] == "promoted", champion

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *told["written"][1:]],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
    )  # fmt: skip
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout + done.stderr


def test_what_was_seen_and_guessed_is_said(team: Path, tmp_path: Path) -> None:
    sample_files.messy(tmp_path / "orders.csv")
    result = invoke("new", "refunds", "--from", "orders.csv", "--target", "Refunded", "--yes")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    for text in (
        "orders.csv: 400 rows",
        "binary of 'Refunded', 'ja' against the rest",
        "guessed: --at 'Ordered At' # its name is usual",
    ):
        assert text in said
    assert "guessed: --time-zone UTC" in said and "no input: weight kg – the same as weight_kg" in said
    assert _written(team) == ["refunds.py", "test_refunds.py", "tests"]


def test_where_nobody_can_be_asked_the_missing_flags_are_named(team: Path, tmp_path: Path) -> None:
    sample_files.messy(tmp_path / "orders.csv")
    result = invoke("new", "refunds", "--from", "orders.csv", "--key", "Order ID")
    said = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == 2 and _written(team) == []
    assert "--at 'Ordered At' --target class --time-zone UTC." in said, "as it can be pasted"
    assert "--target: its name is usual for targets." in said


def test_on_a_terminal_it_asks_and_takes_the_answers(team: Path, tmp_path: Path) -> None:
    sample_files.flowers(tmp_path / "flowers.csv")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ml_platform.cli.main", "new", "petals", "--from", "flowers.csv"]
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    with subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True, env=env) as process:
        os.close(theirs)
        os.write(ours, b"\npetal.length\n")  # the key as guessed, another target
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, out
    assert "regression of 'petal.length'" in out and "guessed" not in out
    assert 'label="petal_length"' in (team / "petals.py").read_text()


def _empty(file: Path) -> None:
    file.write_text("")


def _binary(file: Path) -> None:
    file.write_bytes(b"a,b\n" + bytes(range(256)) * 50)


def _latin(file: Path) -> None:
    file.write_bytes(b"key,size,left\n" + "Köln,1,yes\n".encode("latin-1") * 60)


def _ragged(file: Path) -> None:
    file.write_text("key,size,left\n" + "a,1,yes\nb,2\n" * 60)


def _cells(names: list[str], cell: Callable[[int], list[object]], count: int = 60) -> Callable[[Path], object]:
    return lambda file: sample_files.write(file, names, (cell(n) for n in range(count)))


def _at_random(n: int) -> str:
    return "yes" if n * 7919 % 13 > 6 else "no"


BAD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no content": (_empty, "", "the file is empty"),
    "no text": (_binary, "", "not UTF-8"),
    "latin-1": (_latin, "", "Pass --encoding cp1252, or convert it: iconv -f CP1252 -t UTF-8."),
    "another encoding": (_latin, "--encoding utf-16", "Pass --encoding as the file is, or leave it out for UTF-8."),
    "a ragged line": (_ragged, "", "(line 3): 2 cells where the header has 3. Mend the file, and draft from it again."),
    "three rows": (_cells(NAMES, lambda n: [n, n, "yes"], 3), "", "3 rows, too few"),
    "one column": (_cells(["a"], lambda n: [n]), "", "nothing to predict it from"),
    "names that come twice": (_cells(["a", "a", "b"], lambda n: [n, n, n]), "", "column names come twice: 'a'"),
    "numbers for names": (
        _cells(["5.1", "3.5", "setosa"], lambda n: [n / 10, n, "x"]), "", "looks like data and not like names: '5.1'",
    ),
    "words for names": (
        _cells(["red", "yes", "new"], lambda n: [["red", "blue"][n % 2], ["yes", "no"][n % 2], ["new", "old"][n % 2]]),
        "", "looks like data and not like names: 'red'",
    ),
    "ten thousand columns": (
        _cells([f"c{n}" for n in range(10_000)], lambda n: [n] * 10_000), "", "10,000 columns, more than",
    ),
    "dates in two ways": (
        _cells(["key", "day", "left"], lambda n: [f"k{n}", ["01/31/2024", "31/01/2024"][n % 2], _at_random(n)]),
        "", "column 'day': its dates are written in more than one way: '31/01/2024' and '01/31/2024'",
    ),
    "days that could be months": (
        _cells(["key", "day", "left"], lambda n: [f"k{n}", f"0{n % 9 + 1}/02/2024", _at_random(n)]),
        "", "--dates dmy or --dates mdy",
    ),
    "decimal commas and points": (
        _cells(["key", "price", "left"], lambda n: [f"k{n}", ["1,5", "2.25"][n % 2] + str(n), _at_random(n)]),
        "", "column 'price': its numbers are written in more than one way",
    ),
    "a target of one value": (
        _cells(NAMES, lambda n: [f"k{n}", n % 7, "yes"]), "--target left", "'left' has one value, 'yes'",
    ),
    "a target that is a key": (_cells(NAMES, lambda n: [f"k{n}", n % 7, _at_random(n)]), "--target key", "it is a key"),
    "a rare second value": (
        _cells(NAMES, lambda n: [f"k{n}", n % 7, "yes" if n == 3 else "no"]), "--target left",
        "the next value comes 1 times",
    ),
    "a key that comes twice": (
        _cells(NAMES, lambda n: [f"k{n}", n % 7, _at_random(n)]),
        "--key size",
        "60 distinct rows have only 7 distinct values",
    ),
    "a time that is none": (
        _cells(NAMES, lambda n: [f"k{n}", n % 7, _at_random(n)]), "--at size", "is integer and not a time",
    ),
    "a task that does not fit": (
        _cells(NAMES, lambda n: [f"k{n}", n % 7, _at_random(n)]), "--target size --task binary", "binary needs two",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "flags", "said"), BAD.values(), ids=BAD.keys())
def test_a_file_that_carries_no_declaration_is_refused_in_a_sentence(
    team: Path, tmp_path: Path, make: Callable[[Path], object], flags: str, said: str
) -> None:
    make(tmp_path / "things.csv")
    result = invoke("new", "draft", "--from", "things.csv", "--yes", *flags.split())
    assert result.exit_code == 1 and said in " ".join(result.stderr.split()), result.output
    assert _written(team) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Draft", "not a valid name. Did you mean 'draft'?"), ("my loans", "Did you mean 'my_loans'?"),
        ("class", "already a name in Python"), ("raw", "reserved name of the platform"),
        ("test_it", "without test_"), ("taken", "exists already"), ("trip_delay", "is a pipeline 'trip_delay' already"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_one_is_a_wrong_argument_before_the_file_is_read(
    team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    packages = [team.name, "ml_platform_tests.declarations.trips_and_churn"]
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", json.dumps(packages))
    (team / "taken.py").write_text("kept = 1\n")
    (tmp_path / "things.csv").write_text("")
    result = invoke("new", name, "--from", "things.csv", "--yes")
    assert result.exit_code == 2 and "Usage: ml-platform new" in result.stderr
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert _written(team) == ["taken.py"] and (team / "taken.py").read_text() == "kept = 1\n"


@pytest.mark.parametrize("flag", ["--target", "--key", "--at", "--drop"])
def test_a_column_that_the_file_does_not_have_is_a_wrong_argument(team: Path, tmp_path: Path, flag: str) -> None:
    rows = [[f"k{n}", n % 7, _at_random(n)] for n in range(60)]
    sample_files.write(tmp_path / "things.csv", ["key", "Größe", "Zurückgesendet?"], rows)
    result = invoke("new", "draft", "--from", "things.csv", "--yes", flag, "Zurückgesendet")
    said = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == 2 and "Usage: ml-platform new" in said
    assert f"{flag} names 'Zurückgesendet', which the file does not have. Did you mean 'Zurückgesendet?'?" in said
    assert _written(team) == []


def test_a_missing_file_is_a_wrong_argument(team: Path) -> None:
    result = invoke("new", "draft", "--from", "nowhere.csv")
    assert result.exit_code == 2 and "nowhere.csv" in result.stderr


def test_without_the_formatter_the_extra_is_named_and_nothing_is_written(
    team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_files.write(tmp_path / "things.csv", NAMES, _plain())
    monkeypatch.setitem(sys.modules, "ruff", None)
    result = invoke("new", "draft", "--from", "things.csv", "--yes")
    assert result.exit_code == 1 and "pip install 'ml_platform[authoring]'" in result.stderr
    assert _written(team) == []


def test_a_folder_of_ones_own_is_named_in_the_next_commands(team: Path, tmp_path: Path) -> None:
    sample_files.write(tmp_path / "things.csv", NAMES, _plain())
    (tmp_path / "elsewhere").mkdir()
    told = invoke_json("new", "draft", "--from", "things.csv", "--target", "left", "--to", "elsewhere", "--yes")
    assert told["written"] == [str(tmp_path / "elsewhere" / f) for f in ("draft.py", "tests/test_draft.py")]
    assert told["next"][0].startswith("export ML_PLATFORM_PIPELINES=") and '"draft"' in told["next"][0]


def test_the_guesses_can_be_pasted_as_they_are_printed(team: Path, tmp_path: Path) -> None:
    sample_files.messy(tmp_path / "orders.csv")
    told = invoke_json("new", "refunds", "--from", "orders.csv", "--yes")
    flags = [flag for guess in told["guesses"] for flag in shlex.split(guess["given"])]
    assert {"--at", "Ordered At", "--key", "Order ID", "--target", "--time-zone"} <= set(flags)
    again = invoke_json("new", "again", "--from", "orders.csv", *flags)
    assert {name: again[name] for name in ("key", "at", "target", "time_zone")} == {
        name: told[name] for name in ("key", "at", "target", "time_zone")
    }
    assert again["guesses"] == []


def test_a_column_that_the_user_calls_a_time_is_read_as_one(team: Path, tmp_path: Path) -> None:
    rows = [[f"k{n}", 1_704_067_200 + 86_400 * n, n % 7, _at_random(n)] for n in range(90)]
    sample_files.write(tmp_path / "things.csv", ["key", "begun", "size", "left"], rows)
    guessed = invoke_json("new", "draft", "--from", "things.csv", "--target", "left", "--yes")
    assert guessed["at"] is None and "no column holds times" in guessed["random_split"]
    told = invoke_json("new", "timed", "--from", "things.csv", "--target", "left", "--at", "begun", "--yes")
    assert told["at"] == "begun" and told["random_split"] is None


def test_moments_are_told_in_utc_and_shown_as_the_file_writes_them(team: Path, tmp_path: Path) -> None:
    rows = [[f"k{n}", f"2024-0{n % 9 + 1}-01 04:00:00", n % 7, _at_random(n)] for n in range(90)]
    sample_files.write(tmp_path / "things.csv", ["key", "begun", "size", "left"], rows)
    flags = ("--from", "things.csv", "--target", "left", "--time-zone", "Europe/Berlin", "--yes")
    told = invoke_json("new", "draft", *flags)
    (begun,) = [column for column in told["columns"] if column["name"] == "begun"]
    assert (begun["low"], begun["high"]) == ("2024-01-01T03:00:00+00:00", "2024-09-01T02:00:00+00:00")
    assert set(begun["levels"]) >= {begun["low"], begun["high"]}
    shown = invoke("new", "again", *flags).stdout  # a narrow terminal breaks the line between any two words
    assert "04:00:00" in shown and "03:00:00" not in shown and "+00:00" not in shown


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_file_in_another_encoding_is_read_and_the_draft_declares_it(
    team: Path, tmp_path: Path, encoding: str
) -> None:
    lines = [f"k{n},{('Köln', 'Jülich', '5 €')[n % 3]},{_at_random(n)}" for n in range(90)]
    (tmp_path / "things.csv").write_text("\n".join(["key,Größe,left", *lines]), encoding=encoding)
    told = invoke_json("new", "draft", "--from", "things.csv", "--target", "left", "--encoding", encoding, "--yes")
    assert told["columns"][1]["name"] == "grosse" and "Köln" in told["columns"][1]["levels"]
    (table,) = find("draft").tables
    assert isinstance(table.source, Files) and table.source.encoding == encoding
    assert read(tmp_path / "things.csv", "things.csv", table.source)["Größe"].to_list()[:3] == ["Köln", "Jülich", "5 €"]


def test_an_encoding_that_is_none_is_a_wrong_argument(team: Path, tmp_path: Path) -> None:
    sample_files.write(tmp_path / "things.csv", NAMES, _plain())
    result = invoke("new", "draft", "--from", "things.csv", "--encoding", "cp99999", "--yes")
    said = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == 2 and "--encoding: encoding='cp99999' is no encoding that Python knows" in said


def test_what_a_json_file_holds_is_said_where_it_is_no_list_of_rows(team: Path, tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(json.dumps({"total": 2, "results": [{"a": 1}, {"a": 2}]}))
    result = invoke("new", "draft", "--from", "answer.json", "--yes")
    assert result.exit_code == 1
    assert "one JSON object, and no array of objects" in result.stderr and "jq '.[\"results\"]'" in result.stderr
