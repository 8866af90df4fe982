"""What a code location holds: the graph, and something to read about everything in it (S33, S34)."""

import ast
import inspect
from pathlib import Path

import dagster as dg
import pytest

import ml_platform.orchestration
from ml_platform.orchestration.build import build_definitions
from ml_platform_tests import scenario
from ml_platform_tests.orchestration import graph


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return graph.definitions()


def test_the_graph_is_what_it_was(definitions: dg.Definitions) -> None:
    # Meant? `python -m ml_platform_tests.orchestration.graph` writes it anew; read the difference.
    assert graph.graph(definitions) == graph.SNAPSHOT.read_text()


def test_everything_says_what_it_is(definitions: dg.Definitions) -> None:
    assets = definitions.resolve_all_asset_specs()
    jobs = [job for job in definitions.get_repository_def().get_all_jobs() if not job.name.startswith("__")]
    silent = [spec.key for spec in assets if not spec.description]
    silent += [spec.key for spec in graph.checks(definitions) if not spec.description]
    silent += [job.name for job in jobs if not job.description]
    triggers = [*definitions.get_repository_def().sensor_defs, *definitions.get_repository_def().schedule_defs]
    silent += [trigger.name for trigger in triggers if not trigger.description]
    assert silent == []
    assert assets and jobs and triggers and graph.checks(definitions)


def test_tables_show_their_columns_before_they_are_made(definitions: dg.Definitions) -> None:
    shown = {
        spec.key.to_user_string(): spec.metadata.get("dagster/column_schema")
        for spec in definitions.resolve_all_asset_specs()
    }
    columns = {column.name: column for column in shown["validated/flights"].columns}
    assert columns["landed_at"].type == "Datetime UTC"
    assert columns["landed_at"].description == "scheduled arrival plus arr_delay"
    assert "at most 2880" in columns["arr_delay"].constraints.other
    assert (columns["flight_id"].constraints.nullable, columns["flight_id"].constraints.unique) == (False, True)
    weather = {column.name: column for column in shown["validated/weather"].columns}
    assert "part of the key" in weather["origin"].constraints.other and not weather["origin"].constraints.unique
    assert all(shown[f"flight_delay/{step}"] for step in ("features", "predictions", "performance", "decision"))
    features = {column.name: column for column in shown["flight_delay/features"].columns}
    assert features["flights__arr_delay_mean_3h_by_carrier"].description == (
        "mean of arr_delay over flights rows with the same carrier known in the last 3 hours before sched_dep"
    )
    for name, schema in shown.items():
        assert schema is None or name.startswith(("validated/", "raw/")) or all(c.description for c in schema.columns)


def test_columns_lead_back_to_the_columns_that_they_are_made_of(definitions: dg.Definitions) -> None:
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    behind = {name: spec.metadata.get("dagster/column_lineage") for name, spec in specs.items()}
    temp = behind["flight_delay/features"].value.deps_by_column["weather__temp"]
    assert dg.TableColumnDep(dg.AssetKey(["validated", "weather"]), "temp") in temp
    score = behind["flight_delay/predictions"].value.deps_by_column["score"]
    assert dg.TableColumnDep(dg.AssetKey(["flight_delay", "features"]), "weather__temp") in score
    assert behind["validated/planes"].value.deps_by_column["seats"] == [
        dg.TableColumnDep(dg.AssetKey(["raw", "planes"]), "seats")
    ]
    assert behind["validated/flights"] is None, "what clean does is hidden"
    for name, lineage in behind.items():
        upstream = {dep.asset_key for dep in specs[name].deps}
        if lineage is not None:
            found = {dep.asset_key for deps in lineage.value.deps_by_column.values() for dep in deps}
            assert found <= upstream, name


def test_an_asset_tells_a_newcomer_what_it_is_when_it_changes_and_what_to_do(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        said = spec.description or ""
        assert "**Changes with**" in said or spec.key.path[0] == "quarantine", spec.key
        assert "**Worth knowing:**" in said or "**When a check fails:**" in said, spec.key
        first = said.split("\n")[0]
        assert first.endswith(".") and len(first) < 200, spec.key


def test_layers_are_told_apart_by_their_groups(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.group_name == spec.key.path[0], "two tables of one name never stand in one group"


def test_checks_and_gates_are_explained_in_sentences(definitions: dg.Definitions) -> None:
    for spec in graph.checks(definitions):
        assert (spec.description or "").endswith("."), spec.name
        assert (spec.description or "").count(" ") >= 5, spec.name


def test_the_code_location_loads_as_dagster_loads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform.pipelines"]')
    from ml_platform.definitions import defs

    loaded = defs()
    dg.Definitions.validate_loadable(loaded)
    assert "flight_delay_data" in {job.name for job in loaded.get_repository_def().get_all_jobs()}


def test_dependencies_within_a_pipeline_are_from_month_to_the_same_month_S33(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert all(dep.partition_mapping is None for dep in spec.deps), spec.key


def test_a_table_of_two_pipelines_is_one_asset_owned_by_both_S34() -> None:
    other = scenario.trips("others", owners=["team:other"])
    specs = build_definitions([scenario.trips(), other]).resolve_all_asset_specs()
    shared = [spec for spec in specs if spec.key == dg.AssetKey(["validated", "trips"])]
    assert [sorted(spec.owners) for spec in shared] == [["team:other", "team:town"]]


MODULES = sorted(Path(inspect.getfile(ml_platform.orchestration)).parent.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_module_here_postpones_its_annotations(module: Path) -> None:
    # Dagster reads the annotations of asset functions; postponed, they are text that it does not resolve.
    imported = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in {node.module for node in imported}
