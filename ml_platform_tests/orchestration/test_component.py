"""`ml_platform.PipelineComponent`: a pipeline in a Dagster project of somebody else."""

import re
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.component_scaffolding import scaffold_object

from ml_platform import PipelineComponent
from ml_platform.errors import PlatformError
from ml_platform.orchestration.resources import KEY
from ml_platform.orchestration.workspaces import settings_of
from ml_platform_tests.orchestration.foreign_project import DECLARED, SHARING, loaded, project

OWN = """
import dagster as dg

@dg.asset
def orders(workspace: dg.ResourceParam[str]): ...

@dg.sensor(job_name="__ASSET_JOB")
def alerts(): ...

@dg.definitions
def defs():
    return dg.Definitions(resources={"workspace": "ours"}, executor=dg.multiprocess_executor)
"""


def _keys(definitions: dg.Definitions) -> list[str]:
    return [spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()]


def _refusal(defs: Path) -> str:
    with pytest.raises(Exception, match=r"defs\.yaml") as refused:  # Dagster wraps it, in classes that are not public
        loaded(defs)
    return f"{refused.value}\n{refused.value.__cause__}"


def test_a_component_brings_assets_jobs_sensors_and_the_calendar(tmp_path: Path) -> None:
    found = loaded(project(tmp_path, {"trips": f"{DECLARED}:trip_delay"}))
    assert {"raw/trips", "validated/drivers", "trip_delay/features", "trip_delay/champion"} <= set(_keys(found))
    repository = found.get_repository_def()
    assert {"trip_delay_data", "trip_delay_train"} <= {job.name for job in repository.get_all_jobs()}
    assert {one.name for one in repository.sensor_defs} == {
        "trip_delay_landing",
        "trip_delay_decisions",
        "ml_platform_alerts",
    }
    assert [one.name for one in repository.schedule_defs] == ["trip_delay_calendar"]


def test_tables_that_two_components_share_are_ingested_once(tmp_path: Path) -> None:
    names = {"a_folder": f"{SHARING}:trip_length", "b_folder": f"{SHARING}:trip_delay"}
    found = loaded(project(tmp_path, names))
    keys = _keys(found)
    assert len(keys) == len(set(keys))
    assert {"raw/trips", "trip_delay/features", "trip_length/features"} <= set(keys)
    assert sum(one.name == "ml_platform_alerts" for one in found.get_repository_def().sensor_defs) == 1


def test_the_code_location_knows_its_pipelines_without_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_PLATFORM_PIPELINES", raising=False)
    found = loaded(project(tmp_path, {"a": f"{DECLARED}:trip_delay", "b": f"{DECLARED}:churn"}))
    workspace = (found.resources or {})[KEY]
    assert workspace.settings().pipelines == [f"{DECLARED}:churn", f"{DECLARED}:trip_delay"]
    assert settings_of([]).pipelines == ["ml_platform.pipelines"]


def test_it_stands_beside_a_projects_own_resources_sensors_and_executor(tmp_path: Path) -> None:
    defs = project(tmp_path, {"churn": f"{DECLARED}:churn"})
    (defs / "own.py").write_text(OWN.partition("@dg.definitions")[0])
    (defs / "more.py").write_text("import dagster as dg\n\n@dg.definitions" + OWN.partition("@dg.definitions")[2])
    found = loaded(defs)
    repository = found.get_repository_def()
    assert {"alerts", "ml_platform_alerts"} <= {one.name for one in repository.sensor_defs}
    assert found.executor is dg.multiprocess_executor
    assert repository.get_job("churn_data").executor_def is dg.in_process_executor


def test_an_address_may_lead_to_a_module_beside_defs_yaml(tmp_path: Path) -> None:
    defs = project(tmp_path, {"churn": ".mine:churn"})
    (defs / "churn" / "mine.py").write_text(
        "from ml_platform_tests.declarations.trips_and_failing_churn import churn\n"
    )
    assert "churn/features" in _keys(loaded(defs))


def _broken(definitions: dg.Definitions) -> dict[str, str]:
    """Each asset of a declaration that does not load, with what it says."""
    specs = definitions.resolve_all_asset_specs()
    return {one.key.path[0]: one.description or "" for one in specs if one.group_name == "broken_declarations"}


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("shop.nothing:churn", "there is no module 'shop.nothing'"),
        (f"{DECLARED}:chrn", "Pipelines there: churn, trip_delay"),
        (f"{DECLARED}:scenario", "is not a ModelPipeline but"),
        (f"{DECLARED}.churn", "Write package.module:name"),
    ],
)
def test_an_address_that_leads_nowhere_is_shown_as_broken_and_the_others_load(
    tmp_path: Path, address: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = loaded(project(tmp_path, {"a_broken": address, "churn": f"{DECLARED}:churn"}))
    [(name, description)] = _broken(found).items()
    assert name == re.sub(r"\W", "_", address)
    assert why in description.replace("\\", "") and address in description.replace("\\", "")
    assert f"{address} does not load" in caplog.text, "in the log of the code server, and of `dg check defs`"
    assert "churn/champion" in _keys(found)
    assert (found.resources or {})[KEY].settings().pipelines == [f"{DECLARED}:churn"]
    found.get_repository_def().get_job("churn_data")


def test_a_mistake_in_the_declaration_is_shown_with_its_own_line(tmp_path: Path) -> None:
    defs = project(tmp_path, {"churn": ".mine:churn", "trips": f"{DECLARED}:trip_delay"})
    (defs / "churn" / "mine.py").write_text("from ml_platform import Size\n\nlimit = Size(mb=-1)\n")
    found = loaded(defs)
    [(name, description)] = _broken(found).items()
    assert name == "shop_defs_churn_mine_churn"
    assert "mine.py, line 3: Size" in description.replace("\\", "")
    assert "trip_delay/champion" in _keys(found)


def test_a_code_location_of_broken_declarations_only_loads_and_shows_them(tmp_path: Path) -> None:
    found = loaded(
        project(tmp_path, {"one": "shop.nothing:one", "two": "shop.nothing:two", "three": "shop.nothing:two"})
    )
    assert set(_broken(found)) == {"shop_nothing_one", "shop_nothing_two"}
    assert len(_keys(found)) == 2


def test_a_key_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    defs = project(tmp_path, {"churn": f"{DECLARED}:churn"})
    with (defs / "churn" / "defs.yaml").open("a") as file:
        file.write("  pipelin: churn\n")
    refusal = _refusal(defs)
    assert "pipelin" in refusal and "Extra inputs are not permitted" in refusal


@pytest.mark.parametrize("twice", [f"{DECLARED}:churn", ".mine:churn"])
def test_one_name_in_two_components_breaks_both_and_no_third(tmp_path: Path, twice: str) -> None:
    addresses = {"one": f"{DECLARED}:churn", "two": twice, "trips": f"{DECLARED}:trip_delay"}
    defs = project(tmp_path, addresses)
    (defs / "two" / "mine.py").write_text(f"from {DECLARED} import churn\n")
    found = loaded(defs)
    assert {key.partition("/")[0] for key in _keys(found)} >= {"churn", "trip_delay", "raw"}
    assert [key for key in _keys(found) if key.startswith("churn/")] == ["churn/declaration"]
    assert "two pipelines have this name" in _broken(found)["churn"]


@pytest.mark.parametrize("form", ["yaml", "python"])
def test_what_is_scaffolded_loads(tmp_path: Path, form: str) -> None:
    defs = project(tmp_path, {})
    scaffold_object(defs / "churn", "ml_platform.PipelineComponent", None, form, tmp_path)
    assert {"raw/churn_customers", "churn/champion"} <= set(_keys(loaded(defs)))


def test_what_is_declared_already_is_only_named(tmp_path: Path) -> None:
    defs = project(tmp_path, {})
    options = f'{{"pipeline": "{DECLARED}:churn"}}'
    scaffold_object(defs / "care", "ml_platform.PipelineComponent", options, "yaml", tmp_path)
    assert [path.name for path in (defs / "care").iterdir()] == ["defs.yaml"]
    assert "churn/features" in _keys(loaded(defs))


def test_a_scaffold_never_writes_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / "declaration.py").write_text("mine")
    with pytest.raises(PlatformError, match=r"declaration.py is there already. Choose another name"):
        scaffold_object(tmp_path / "churn", "ml_platform.PipelineComponent", None, "yaml", tmp_path)
    assert [(path.name, path.read_text()) for path in (tmp_path / "churn").iterdir()] == [("declaration.py", "mine")]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Churn-2", "not a valid name"),
        ("raw", "a reserved name of the platform"),
        ("class", "already a name in Python"),
    ],
)
def test_a_name_that_no_pipeline_can_have_leaves_nothing_behind(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(PlatformError, match=problem):
        scaffold_object(tmp_path / name, "ml_platform.PipelineComponent", None, "yaml", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_schema_says_what_to_write() -> None:
    model = PipelineComponent.get_model_cls()
    assert model is not None
    (field,) = model.model_json_schema()["properties"].values()
    assert "package.module:name" in field["description"]
    assert (PipelineComponent.__doc__ or "").startswith("A declared model")
