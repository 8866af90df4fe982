"""A record names the plots and texts that it shows. Older records are searched once, when they are migrated."""

import json
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from ml_platform.lake.shown_blobs import ShownBlob
from ml_platform.lake.transaction import Author
from ml_platform.runtime import retention
from ml_platform.settings import Settings
from ml_platform.state import ledger, migrate
from ml_platform.state.database import State
from ml_platform.state.engine import path
from ml_platform.state.results import Result

PLOT, TEXT, OLD, OTHER = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


def test_a_record_keeps_what_it_shows_and_no_text_that_looks_like_it(state: State) -> None:
    ledger.record(
        state,
        Author("delays/verdicts", "2024-01", "key", "run", ()),
        rows=1,
        result=Result(),
        display={"plot": ShownBlob.picture(PLOT), "note": OTHER, "row": {"picture": OTHER, "markdown": OTHER}},
        checks=[{"name": "levels", "metadata": {"card": [ShownBlob.markdown(TEXT)]}}],
    )
    assert retention.shown(state) == {PLOT, TEXT}


def test_only_the_newest_record_of_an_asset_and_partition_keeps_what_it_shows(state: State) -> None:
    for digest in (OLD, PLOT):
        author = Author("delays/verdicts", "2024-01", digest, "run", ())
        ledger.record(state, author, rows=1, result=Result(), display={"plot": ShownBlob.picture(digest)})
    assert retention.shown(state) == {PLOT}


def test_records_of_an_older_state_keep_what_they_show(settings: Settings) -> None:
    file = path(settings)
    file.parent.mkdir(parents=True)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    engine = sa.create_engine(f"sqlite:///{file}")
    details = sa.table("record_details", *map(sa.column, ("record_id", "display", "checks", "reads")))
    shown = [
        ({"plot": {"picture": OLD}}, []),
        ({"plot": {"picture": PLOT}, "digest": OTHER}, [{"metadata": {"card": {"markdown": TEXT}}}]),
        ({"outcome": "skipped"}, []),
    ]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        for number, (display, checks) in enumerate(shown, start=1):
            asset = "delays/decision" if number == 3 else "delays/verdicts"
            connection.execute(
                sa.text(
                    "INSERT INTO records (id, asset, partition, content_key, output, rows, result, files, run_id, "
                    "recorded_at) VALUES (:id, :asset, '2024-01', '', '', 1, '{}', '{}', '', '2026-01-02 03:04:05')"
                ),
                {"id": number, "asset": asset},
            )
            row = {"record_id": number, "display": json.dumps(display), "checks": json.dumps(checks), "reads": "[]"}
            connection.execute(details.insert().values(row))
    engine.dispose()
    with closing(State(settings)) as migrated:
        assert retention.shown(migrated) == {PLOT, TEXT}
