"""A broken declaration harms itself only, and what needs the lake alone goes on without it (S39)."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.definitions import defs
from ml_platform.discovery import declarations
from ml_platform.errors import DeclarationError
from ml_platform.orchestration.broken import broken_definitions
from ml_platform.settings import Settings
from ml_platform.spec.declarations import Broken, Declarations
from ml_platform.state import versions
from ml_platform.state.database import State
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.state.registry_rows import training

CHURN = "from ml_platform_tests.declarations.trips_and_churn import churn\n"
MISTAKES = {
    "a bracket that is not closed": "trip_delay = ModelPipeline(\n    name='trip_delay',\n",
    "a name that is not defined": "from ml_platform import ModelPipeline\ntrip_delay = ModelPipelin()\n# ModelPipeline('trip_delay')",
    "a package that is not there": "import no_such_package\ntrip_delay = ModelPipeline('trip_delay')\n",
    "a refused word": "from ml_platform_tests import scenario\ntrip_delay = scenario.trips(owners=['nobody'])  # ModelPipeline('trip_delay')\n",
    "a module that ends the process": "raise SystemExit(3)  # ModelPipeline('trip_delay')\n",
    "something without a canonical form": (
        "import os\nfrom ml_platform_tests import scenario\n"
        "def clean(trips): return os.environ\n"
        "trip_delay = scenario.trips(tables=[scenario.trips_table(clean=clean), scenario.traffic, scenario.drivers])\n"
    ),
    "a value without a canonical form": (
        "import dataframely as dy\nfrom ml_platform_tests import scenario\n"
        "class Trips(scenario.trips_table().contract): more = dy.Int64(is_in=range(1, 5), nullable=True)\n"
        "trip_delay = scenario.trips(tables=[scenario.trips_table(contract=Trips), scenario.traffic, scenario.drivers])\n"
    ),
    "an import inside `clean` that fails": (
        "from ml_platform_tests import scenario\n"
        "def clean(trips):\n    import ends_the_process\n    return ends_the_process.of(trips)\n"
        "trip_delay = scenario.trips(tables=[scenario.trips_table(clean=clean), scenario.traffic, scenario.drivers])\n"
    ),
}
# ruff: noqa: E501  # small programs, each mistake on one line


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """An importable package that the settings name, with `churn` in it; a name of its own for every test."""
    name = f"declared_{abs(hash(request.node.name))}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "customers.py").write_text(CHURN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", f'["{name}"]')
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_mistake_breaks_one_pipeline(package: Path, mistake: str) -> None:
    (package.parent / "ends_the_process.py").write_text("raise SystemExit(3)\n")
    (package / "trips.py").write_text(MISTAKES[mistake])
    declared = declarations(Settings())
    assert list(declared.pipelines) == ["churn"]
    assert [one.names for one in declared.broken] == [("trip_delay",)]
    with pytest.raises(DeclarationError):
        declared.find("trip_delay")


@pytest.mark.parametrize("error", ["nothing_of_this_name", "raise SystemExit(3)", "1 / 0"])
def test_a_package_that_fails_breaks_the_modules_that_the_settings_name_in_it_and_no_others(
    package: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    failing = package.parent / f"{package.name}_failing"
    failing.mkdir()
    (failing / "__init__.py").write_text(f"{error}\n")
    (failing / "trips.py").write_text("trip_delay = ModelPipeline('trip_delay')\n")
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", f'["{failing.name}.trips", "{package.name}"]')
    declared = declarations(Settings())
    assert list(declared.pipelines) == ["churn"]
    [broken] = declared.broken
    assert broken.name == f"{failing.name}.trips" and f"{failing / '__init__.py'}, line 1" in broken.error.where


def test_two_pipelines_of_one_name_break_each_other_and_no_third(package: Path) -> None:
    for module in ("trips", "trips_again"):
        (package / f"{module}.py").write_text("from ml_platform_tests import scenario\ntrip_delay = scenario.trips()\n")
    declared = declarations(Settings())
    assert list(declared.pipelines) == ["churn"]
    [broken] = declared.broken
    assert f"two pipelines have this name, in {package.name}.trips and {package.name}.trips_again" in str(broken.error)


def test_a_module_that_names_the_pipeline_says_why_it_does_not_load_before_one_that_names_none() -> None:
    nameless, named = (DeclarationError(where, "is wrong", remedy="Mend it.") for where in ("a", "b"))
    declared = Declarations({}, (Broken("a", (), nameless), Broken("b", ("trip_delay",), named)))
    assert declared.problem("trip_delay") is named and declared.problem("churn") is nameless
    assert Declarations({}, declared.broken[1:]).problem("churn") is None


def test_unequal_definitions_of_a_table_break_those_that_share_it(package: Path) -> None:
    trips = "from ml_platform_tests import scenario\np = scenario.trips({name!r}, tables=[scenario.trips_table({more}), scenario.traffic, scenario.drivers])\n"
    (package / "first.py").write_text(trips.format(name="first", more=""))
    (package / "second.py").write_text(trips.format(name="second", more="on_conflict='latest'"))
    declared = declarations(Settings())
    assert list(declared.pipelines) == ["churn"]
    assert sorted(one.name for one in declared.broken) == ["first", "second"]


@pytest.fixture
def broken_trips(platform: Path, package: Path) -> Path:
    """The platform that was run, with a typo in the declaration of its trips; the file of the typo."""
    file = package / "trips.py"
    file.write_text(MISTAKES["a bracket that is not closed"])
    return file


def test_the_lists_show_what_is_broken_with_file_line_and_remedy(broken_trips: Path) -> None:
    where = f"trip_delay does not load: {broken_trips}, line 1: this is not Python: '(' was never closed."
    for command in ("pipelines", "status"):
        result = invoke(command)
        assert result.exit_code == 1
        assert "churn" in result.stdout and "trip_delay" in result.stdout
        assert where in " ".join(result.stderr.split()) and "Correct the line." in result.stderr
    doctor = invoke("doctor")
    assert doctor.exit_code == 1 and f"trip_delay: {broken_trips}, line 1" in " ".join(doctor.stdout.split())
    assert "declarations: churn from" in doctor.stdout


def test_what_needs_the_lake_alone_goes_on(broken_trips: Path) -> None:
    by_records = invoke("status", "trip_delay", "--json")
    assert by_records.exit_code == 1, "its declaration does not load"
    assert [row["partition"] for row in json.loads(by_records.stdout)] == ["2024-01", "2024-02"]
    assert invoke("status", "--json").exit_code == 1 and invoke("status", "churn").exit_code == 0
    versions = invoke_json("models", "trip_delay")
    assert len(versions) == 2 and versions[0]["metric"] == "roc_auc"
    assert invoke_json("models", "trip_delay@1")["verdicts"]
    assert invoke_json("models", "trip_delay", "--history")
    assert invoke("alerts", "trip_delay").exit_code == 0
    assert invoke_json("sql", "SELECT count(*) AS n FROM trip_delay.features")[0]["n"] > 0
    key = invoke_json("sql", "SELECT key FROM trip_delay.predictions ORDER BY key")[0]["key"]
    story = invoke_json("why", "trip_delay", key)
    assert story["prediction"]["key"] == key and story["rows"] and story["effects"] and story["trained_on"]
    assert story["features"]["values"] and story["features"]["stored"] is None
    assert all(effect["words"].startswith(f"{effect['feature']} is ") for effect in story["effects"])
    assert "another definition" not in invoke("why", "trip_delay", key).stdout
    assert invoke_json("lineage", "trip_delay", "--model", "1")["files"]
    back = invoke_json("rollback", "trip_delay", "--why", "it errs on Mondays")
    assert back["action"] == "rolled_back"
    again = invoke_json("promote", f"trip_delay@{back['previous']}", "--why", "it did not")
    assert (again["action"], again["version"]) == ("promoted", back["previous"])


def test_a_version_that_no_gate_judged_is_not_promoted_by_its_records(broken_trips: Path) -> None:
    with closing(State(Settings())) as state:
        about = training("unjudged", "trip_delay", partition="2024-02")
        number = versions.register(state, about).version
    refused = invoke("promote", f"trip_delay@{number}", "--why", "I trust it")
    assert refused.exit_code == 1
    assert f"trip_delay@{number} is not promoted: no gate judged it" in " ".join(refused.stderr.split())
    assert {entry["version"] for entry in invoke_json("models", "trip_delay", "--history")} <= {1, 2}


def test_what_needs_the_declaration_says_why_it_has_none(broken_trips: Path) -> None:
    for command in (
        ["run", "trip_delay"],
        ["retrain", "trip_delay", "--why", "now"],
        ["models", "trip_delay@1", "--card"],
        ["lineage", "trip_delay", "--file", "trips_2024-01.csv"],
    ):
        result = invoke(*command)
        assert result.exit_code == 1 and f"{broken_trips}, line 1" in " ".join(result.stderr.split())


def test_a_declaration_that_is_gone_leaves_its_records(platform: Path, package: Path) -> None:
    assert len(invoke_json("status", "trip_delay")) == 2
    assert "declaration of trip_delay is gone" in invoke("lineage", "trip_delay", "--model", "1").stderr
    assert invoke("why", "trip_dely", "1").exit_code == 2
    result = invoke("rollback", "trip_delay", "--why", "it is no more")
    assert result.exit_code == 0 and "declaration of trip_delay is gone" in result.stderr
    assert invoke("rollback", "trip_dely", "--why", "typo").exit_code == 2


def test_the_code_location_loads_and_shows_what_is_broken(broken_trips: Path) -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}
    assert "churn/features" in specs and "trip_delay/features" not in specs
    broken = specs["trip_delay/declaration"]
    assert f"{broken_trips}, line 1: this is not Python" in (broken.description or "")
    assert broken.tags["ml_platform/declaration"] == "broken" and broken.group_name == "broken_declarations"


def test_two_modules_that_do_not_load_under_one_name_are_one_asset_with_both_errors(package: Path) -> None:
    for module in ("trips.py", "trips_copy.py"):
        (package / module).write_text(MISTAKES["a bracket that is not closed"])
    errors = [DeclarationError(address, "is wrong", remedy="Mend it.") for address in ("trips.a", "trips_a")]
    same_key = broken_definitions([Broken(error.where, (), error) for error in errors])
    assert [spec.key.to_user_string() for spec in same_key.resolve_all_asset_specs()] == ["trips_a/declaration"]
    specs = {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}
    assert "churn/features" in specs
    description = specs["trip_delay/declaration"].description or ""
    assert f"{package / 'trips.py'}, line 1" in description and f"{package / 'trips_copy.py'}, line 1" in description


def test_serve_refuses_where_no_pipeline_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["no_such_package"]')
    answer = invoke("serve")
    assert answer.exit_code == 1
    assert "no module 'no_such_package'" in answer.output and "nothing to serve" in answer.output
    assert not list(tmp_path.iterdir())
