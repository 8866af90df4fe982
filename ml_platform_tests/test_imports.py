"""What is loaded when: a declaration costs next to nothing, a code location loads no trainer."""

import subprocess
import sys
import time

HEAVY = {"polars", "duckdb", "dagster", "lightgbm", "sklearn", "scipy", "pandas", "pyarrow", "fastapi"}
HEAVY |= {"evidently", "matplotlib", "xgboost", "_ml_platform_xgboost", "skops"}
SECONDS = 0.3  # beyond the start of the interpreter; measured 0.02


def _loaded(program: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after the program."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def _seconds(program: str) -> float:
    """The quickest of three runs: what else the machine does only adds to it."""
    found = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        found.append(time.perf_counter() - began)
    return min(found)


def test_importing_the_platform_loads_nothing_heavy() -> None:
    assert not HEAVY & _loaded("import ml_platform")


def test_importing_the_platform_takes_less_than_a_third_of_a_second() -> None:
    assert _seconds("import ml_platform") - _seconds("pass") < SECONDS


def test_a_declaration_loads_no_dagster_and_no_trainer() -> None:
    loaded = _loaded("import ml_platform.pipelines.flight_delay")
    assert "polars" in loaded
    assert not (HEAVY - {"polars", "pyarrow", "duckdb"}) & loaded


def test_listing_versions_loads_no_screening_and_no_arrays() -> None:
    loaded = _loaded("import ml_platform.cli.main, ml_platform.views.status")
    assert not {"numpy", "pyarrow", "dataframely", "lightgbm", "dagster"} & loaded


def test_what_status_and_a_plan_need_loads_no_arrow_no_migrations_and_no_trainer() -> None:
    loaded = _loaded("import ml_platform.steps.all_steps, ml_platform.views.alert_health, ml_platform.cli.notes")
    assert not {"pyarrow", "alembic", "lightgbm", "scipy", "matplotlib", "dagster"} & loaded


def test_the_code_location_loads_no_trainer_and_no_report() -> None:
    quiet = "import warnings; warnings.simplefilter('ignore')"  # pinned in pyproject's filterwarnings
    loaded = _loaded(f"{quiet}\nfrom ml_platform.definitions import defs\ndefs()")
    assert "dagster" in loaded
    assert not {"lightgbm", "sklearn", "scipy", "pandas", "evidently", "fastapi", "matplotlib", "apprise"} & loaded


def test_steps_load_no_dagster() -> None:
    # The core takes values: only `ml_platform.orchestration` knows who runs it.
    assert "dagster" not in _loaded("import ml_platform.runtime.planner, ml_platform.steps.all_steps")


def test_a_worker_of_the_service_loads_no_lake_and_no_orchestration() -> None:
    modules = ("app", "service", "filling_faults", "access")
    program = "; ".join(f"import ml_platform.serving.rest.{module}" for module in modules)
    loaded = _loaded(f"{program}; import ml_platform.serving.sqlite_store, uvicorn")
    assert "fastapi" in loaded
    assert not {"dagster", "evidently", "pandas", "sqlalchemy", "dataframely", "sklearn", "matplotlib"} & loaded
