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
    assert columns["landed_at"].type == "Datetime(time_unit='us', time_zone='UTC')"
    assert columns["landed_at"].description == "scheduled arrival plus arr_delay"
    assert "flights__arr_delay_mean_3h_by_carrier" in {column.name for column in shown["flight_delay/features"].columns}


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
