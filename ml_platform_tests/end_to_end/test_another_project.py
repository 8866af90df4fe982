"""The built wheel in a Dagster project of somebody else, worked with as its owners would: `dg` and `ml-platform`.

ml_platform comes from the wheel alone. Third-party packages are those of this environment, put on the path
behind it: they are what the lock names, and installing them again would only take time.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml_platform_tests.orchestration.foreign_project import project
from ml_platform_tests.scenario import csv

ROOT = Path(__file__).parents[2]
Run = Callable[..., str]


def _wheel(folder: Path) -> Path:
    """Built from a copy, as `build/` of another day would be packed too."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.cfg", "README.md"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "ml_platform", source / "ml_platform", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-w", folder, source], check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty project, with an environment that has the wheel."""
    root = tmp_path_factory.mktemp("shop")
    project(root, {})
    definitions = "import dagster as dg\n\n\n@dg.definitions\ndef defs():\n"
    definitions += "    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
    (root / "src" / "shop" / "definitions.py").write_text(f"from pathlib import Path\n\n{definitions}")
    environment = root / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=60)
    packages = environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", environment / "bin" / "python"]
    wheel = _wheel(tmp_path_factory.mktemp("wheel"))
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], check=True, timeout=120)
    (packages / "shop.pth").write_text(f"{root / 'src'}\n{sysconfig.get_path('purelib')}\n")
    (root / ".dagster").mkdir()
    asked = [environment / "bin" / "python", "-P", "-c", "import ml_platform; print(ml_platform.__file__)"]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    imported = subprocess.run(asked, env=own, capture_output=True, text=True, check=True).stdout
    assert Path(imported.strip()).is_relative_to(packages)
    assert (packages / "ml_platform" / "py.typed").exists()
    return root


@pytest.fixture(scope="module")
def run(shop: Path) -> Run:
    """Run a command of the project's environment in its folder; what it printed. Fails where the command does."""
    python = shop / ".venv" / "bin" / "python"
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ML_PLATFORM", "PYTHONPATH"))}
    own |= {"DAGSTER_HOME": str(shop / ".dagster"), "DAGSTER_DISABLE_TELEMETRY": "1", "COLUMNS": "200"}
    own |= {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "ML_PLATFORM_THREADS": "1"}

    def call(module: str, *arguments: str) -> str:
        done = subprocess.run(
            [python, "-m", module, *arguments], cwd=shop, env=own, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def _customers(count: int = 400) -> pl.DataFrame:
    random = np.random.default_rng(3)
    spending = random.gamma(4.0, 10.0, count).round(2)
    return pl.DataFrame(
        {
            "customer": [f"c{number:03}" for number in range(count)],
            "taken_at": pl.Series(["2026-01-01"] * count).str.to_datetime("%Y-%m-%d", time_zone="UTC", time_unit="us"),
            "plan": random.choice(["basic", "family"], count),
            "spending": spending,
            "churned": spending + random.normal(0, 8, count) < 35,
        }
    ).with_columns(settled_at=pl.col("taken_at").dt.offset_by("30d"))


@pytest.fixture(scope="module")
def churn(shop: Path, run: Run) -> Path:
    """The folder that a person had scaffolded."""
    run("dagster_dg_cli.cli", "scaffold", "defs", "ml_platform.PipelineComponent", "churn")
    return shop / "src" / "shop" / "defs" / "churn"


def test_a_project_with_the_wheel_finds_the_component_and_what_it_scaffolds_loads(churn: Path, run: Run) -> None:
    listed = {one["key"]: one for one in json.loads(run("dagster_dg_cli.cli", "list", "components", "--json"))["items"]}
    assert "A declared model" in listed["ml_platform.PipelineComponent"]["summary"]
    assert sorted(path.name for path in churn.iterdir()) == ["declaration.py", "defs.yaml"]
    said = run("dagster_dg_cli.cli", "check", "defs")
    assert "YAML validated successfully" in said and "definitions loaded successfully" in said


@pytest.mark.slow
def test_what_was_scaffolded_runs_from_a_file_to_a_champion(shop: Path, churn: Path, run: Run) -> None:
    landing = shop / "data" / "landing" / "churn"
    landing.mkdir(parents=True)
    (landing / "2026-01.csv").write_text(csv(_customers()))
    run("dagster_dg_cli.cli", "launch", "--job", "churn_data")

    (shop / ".env").write_text("""ML_PLATFORM_PIPELINES='["shop.defs.churn.declaration"]'\n""")
    (row,) = json.loads(run("ml_platform.cli.main", "run", "churn", "--json"))["partitions"]
    assert (row["rows"], row["quarantined"], row["champion"]) == (400, 0, "churn@1")
