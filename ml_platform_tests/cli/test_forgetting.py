"""The command that forgets."""

import json
from contextlib import closing
from pathlib import Path

from ml_platform.settings import Settings
from ml_platform.state import erasures
from ml_platform.state.database import State
from ml_platform_tests.cli.terminal import invoke, invoke_json


def test_forget_says_what_would_go_asks_and_does_nothing_to_whom_it_does_not_know(platform: Path) -> None:
    trip = "trips_2024-01.csv"
    before = (platform / "landing" / "trips" / trip).read_bytes()
    (outlook,) = invoke_json("forget", "trips", "--key", "trip=2024010003", "--dry-run")
    assert list(outlook) == ["table", "key_columns", "counts", "versions", "unreached", "erasure", "done"]
    assert outlook["counts"]["raw.trips"] == 1 and outlook["versions"] and not outlook["done"]
    refused = invoke("forget", "trips", "--key", "trip=2024010003")
    assert refused.exit_code == 1 and "Forget these rows for good?" in refused.stdout
    (nobody,) = invoke_json("forget", "trips", "--key", "trip=987654321", "--yes")
    assert nobody["counts"] == {} and nobody["erasure"] == ""
    assert "nothing to forget" in invoke("forget", "trips", "--key", "trip=987654321", "--yes").stdout
    assert (platform / "landing" / "trips" / trip).read_bytes() == before
    with closing(State(Settings(data=platform), read_only=True)) as state:
        assert erasures.all_erasures(state) == []


def test_what_forget_cannot_understand_is_refused_by_name(platform: Path) -> None:
    for arguments, code, message in (
        (["trip", "--key", "1"], 2, "trips"),
        (["trips"], 2, "give --key, or --again"),
        (["trips", "--key", "trip=x"], 1, "is no value of trips.trip"),
        (["trips", "--key", "1", "--json"], 2, "nobody can be asked"),
        (["trips", "--resume"], 2, "--resume goes alone"),
        (["--resume"], 1, "No erasure is under way"),
    ):
        outcome = invoke("forget", *arguments)
        assert outcome.exit_code == code, outcome.output
        assert message in " ".join(outcome.output.replace("│", "").split())
    assert json.loads(invoke("forget", "trips", "--again", "--yes", "--json").stdout) == []
