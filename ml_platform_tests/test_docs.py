"""README and docs: links and paths lead somewhere, Python parses and imports, SQL answers, every command is there."""

import ast
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
import typer.main

import ml_platform
from ml_platform.cli.main import app
from ml_platform.lake.extensions import load_extensions
from ml_platform.settings import Settings
from ml_platform.state.publishing import publish
from ml_platform_tests import scenario
from ml_platform_tests.world import world

ROOT = Path(__file__).parents[1]
TOP = [ROOT / name for name in ("README.md", "CHANGELOG.md", "bench/README.md", "data/README.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MODULE = re.compile(r"`([a-z_]+(?:/[\w.]+)*/[\w]+\.py|[a-z_]+(?:/[a-z_]+)*/)`")


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in _CODE.findall(page.read_text()) if kind == language]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    prose = _CODE.sub("", page.read_text())
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose)]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(_LINK.findall((ROOT / "README.md").read_text()))
    assert linked >= {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    for path in _MODULE.findall(page.read_text()):
        homes = (ROOT, ROOT / "ml_platform", ROOT / "ml_platform_tests", ROOT / "data")
        generated = path.startswith(
            ("defs/", "landing/", "artifacts/", "reports/", "downloads/", "online/", "lake/tables/")
        )
        assert generated or any((home / path).exists() for home in homes), path


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_of_a_page_parses_and_names_words_that_can_be_imported(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "ml_platform":
                assert all(hasattr(ml_platform, alias.name) for alias in node.names)


def test_the_readme_names_the_commands_that_ci_runs() -> None:
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    assert commands and all(command in (ROOT / "README.md").read_text() for command in commands)


def test_the_reference_of_the_declaration_names_every_word() -> None:
    reference = (ROOT / "docs" / "declaration.md").read_text()
    elsewhere = {"LakeDuckDB", "LakeIOManager", "PipelineComponent", "__version__"}
    words = {name for name in ml_platform.__all__ if name[0].isupper()} - elsewhere
    assert {word for word in words if f"`{word}" not in reference} == set()


def test_the_reference_of_the_command_line_names_every_command_and_option() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        assert f"`{name}" in reference, name
        options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        missing = {option for option in options - {"--help", "--yes"} if option not in reference}
        assert missing == set(), name


def test_the_reference_of_settings_names_every_setting_and_no_other() -> None:
    reference = (ROOT / "docs" / "settings.md").read_text()
    named = set(re.findall(r"^\| `ML_PLATFORM_(\w+)`", reference, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_architecture_page_lists_the_layers_of_the_import_contract_in_order() -> None:
    contract = (ROOT / "pyproject.toml").read_text().partition("layers = [")[2].partition("]")[0]
    layers = [name for name in re.findall(r"ml_platform\.(\w+)", contract) if (ROOT / "ml_platform" / name).is_dir()]
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE) == layers


# -- SQL ---------------------------------------------------------------------------------

# The page asks about flights of 2013; the tests have trips of 2024.
AS_TRIPS = {
    "flight_delay@3": "trip_delay@1",
    "flight_delay": "trip_delay",
    "flights/flights_2013-01.csv": "trips/trips_2024-01.csv",
    "r.flight_id": "r.trip",
    "'flights'": "'trips'",
    ".flights": ".trips",
    "VERSION => 30": "VERSION => 17",
}
SQL = ROOT / "docs" / "sql.md"


def statements() -> list[str]:
    setup, *questions = blocks(SQL, "sql")
    assert setup.startswith("INSTALL")
    return [question.strip().removesuffix(";") for question in questions]


def of_trips(sql: str) -> str:
    for name, stand_in in AS_TRIPS.items():
        sql = sql.replace(name, stand_in)
    return sql


@pytest.fixture(scope="module")
def plain_duckdb(february: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB without the platform, attached as the page says, to the copy of a lake whose run has ended."""
    folder = tmp_path_factory.mktemp("copied") / "data"
    shutil.copytree(february, folder)
    with closing(world(folder, scenario.trips())) as one:
        publish(one.ws)
    (moved,) = re.findall(r"DATA_PATH '<new>/lake/tables', OVERRIDE_DATA_PATH true", SQL.read_text())
    setup = blocks(SQL, "sql")[0].replace("(READ_ONLY, META", f"(READ_ONLY, {moved.replace('<new>', 'data')}, META")
    with duckdb.connect(config={"allow_unsigned_extensions": True}) as connection:
        load_extensions(connection, ["ducklake", "sqlite_scanner"])
        for statement in duckdb.extract_statements(setup.replace("data/lake", f"{folder}/lake")):
            if "INSTALL" not in statement.query:
                connection.execute(statement)
        yield connection


EMPTY = ("NOT passed", "FROM quarantine", "FROM state.alerts")  # nothing was refused in that world


@pytest.mark.parametrize("sql", statements(), ids=lambda sql: " ".join(sql.split())[:60])
def test_sql_of_the_page_answers(plain_duckdb: duckdb.DuckDBPyConnection, sql: str) -> None:
    answer = plain_duckdb.execute(of_trips(sql)).fetchall()
    assert answer or any(words in sql for words in EMPTY)
