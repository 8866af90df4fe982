"""A town whose data, files, reasons and descriptions hold a hostile text: every output shows it and obeys it nowhere.

Commands are read as a terminal gets them, pages and Markdown are parsed, pictures are parsed as XML.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from ml_platform.cli.output import alarm, complain, emit_lines, emit_table, note, say
from ml_platform.errors import DeclarationError
from ml_platform.escaping import NO_SCRIPT, one_line, policy_of, printable
from ml_platform.monitoring.channels import line, message
from ml_platform.monitoring.report_heading import Figure, heading
from ml_platform.orchestration import prose
from ml_platform.orchestration.broken import broken_definitions
from ml_platform.orchestration.events import materialized
from ml_platform.plots.answers import confusion, recalls
from ml_platform.plots.contributions import contributions
from ml_platform.plots.drift import drift_by_feature
from ml_platform.plots.flow import Box, flow
from ml_platform.plots.importance import importance
from ml_platform.plots.series import pairs, series
from ml_platform.quality.checks import CheckResult
from ml_platform.runtime.workspace import Outcome
from ml_platform.spec.declarations import Broken
from ml_platform.state import alerts, ledger
from ml_platform.steps.all_steps import STEPS
from ml_platform.views.model_card import json_form
from ml_platform.views.model_card.assembled import model_card
from ml_platform.views.model_card.card import Change, Limit
from ml_platform.views.model_card.markdown import markdown
from ml_platform.views.model_card.page import page as card_page
from ml_platform.views.report_index import index_page, overview_page
from ml_platform_tests import scenario
from ml_platform_tests.cli.terminal import invoke
from ml_platform_tests.declarations import hostile_trips
from ml_platform_tests.faults.hostile_town import FEBRUARY, NAME, a_hostile_trip, build
from ml_platform_tests.hostile_text import FILE, HOSTILE, Page, assert_printed, markdown_page, svg_texts, texts_of
from ml_platform_tests.world import World, world


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "data"
    build(folder)
    return folder


@pytest.fixture
def shown(town: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The town in the environment of the command; its data folder."""
    monkeypatch.setenv("ML_PLATFORM_DATA", str(town))
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.hostile_trips"]')
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("ML_PLATFORM_CATALOG", raising=False)
    return town


@pytest.fixture
def opened(town: Path) -> Iterator[World]:
    with closing(world(town, hostile_trips.trip_delay, pictures=True)) as one:
        yield one


def test_a_terminal_shows_it_whatever_command_prints_it(shown: Path) -> None:
    commands = [
        ["status"],
        ["pipelines"],
        ["models", NAME],
        ["models", f"{NAME}@1"],
        ["models", f"{NAME}@1", "--card"],
        ["models", NAME, "--history"],
        ["decisions", NAME],
        ["quarantine", NAME],
        ["quarantine", NAME, "--rows", "9"],
        ["quarantine", NAME, "--replay"],
        ["alerts"],
        ["doctor"],
        ["why", NAME, a_hostile_trip(shown)],
        ["lineage", NAME, "--file", f"trips/{FILE}"],
        ["sql", f"SELECT zone, [zone] AS l, {{'z': zone}} AS s FROM {NAME}.features WHERE zone LIKE '%error%' LIMIT 2"],
        ["sql", "FROM state.promotions"],
        ["sql", f"EXPLAIN FROM {NAME}.features WHERE zone = '{HOSTILE.replace(chr(39), chr(39) * 2)}'"],
        ["sql", f"SELECT zone::INTEGER FROM {NAME}.features WHERE zone LIKE '%error%'"],
        ["sql", 'SELECT 1 AS "' + HOSTILE.replace('"', '""') + '"'],
        ["withdraw", "trips", FILE + "x", "--why", HOSTILE],
        ["land", NAME, "trips", str(shown / "landing" / FILE)],
        ["land", NAME, "trips", str(shown / FILE)],
        ["status", HOSTILE],
    ]
    seen = []
    for words in commands:
        result = invoke(*words)
        for output in (result.stdout, result.stderr):
            assert_printed(output)
        seen.append("ran" in result.output)
    assert sum(seen) > 12  # it is shown, not left out


def test_json_is_json_and_has_every_text_as_it_is(shown: Path) -> None:
    for words in (
        ["quarantine", NAME, "--rows", "9"],
        ["alerts"],
        ["pipelines"],
        ["sql", f"SELECT zone FROM {NAME}.features WHERE zone LIKE '%error%' LIMIT 1"],
    ):
        result = invoke(*words, "--json")
        assert result.stdout.isascii() and result.stdout.replace("\n", "").isprintable()
        texts = texts_of(json.loads(result.stdout))
        rows = [json.loads(text) for text in texts if text.startswith("{")]  # of quarantine, as the file has them
        assert HOSTILE in (texts_of(rows) if words[0] == "quarantine" else texts)
    why = invoke("why", NAME, a_hostile_trip(shown), "--json").stdout
    assert why.isascii() and any("<script>" in text for text in texts_of(json.loads(why)))


def test_a_draft_of_a_hostile_file_is_shown_and_imported_and_runs_nothing(
    shown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / FILE
    rows = scenario.trip_rows("2024-01", 60).select("trip", "zone", "km", late=pl.col("late") > 10)
    rows = rows.with_columns(zone=pl.col("zone").replace("hill", HOSTILE)).rename({"km": HOSTILE})
    source.write_text(rows.drop_nulls().write_csv())
    monkeypatch.chdir(tmp_path)
    result = invoke(
        "new", "hostile", "--from", str(source), "--target", "late", "--key", "trip", "--to", str(tmp_path), "--yes"
    )
    assert result.exit_code == 0, result.output
    assert_printed(result.output)
    assert "ran" in result.output
    for written in tmp_path.glob("**/*.py"):
        assert_printed(written.read_text())


def test_dagster_gets_markdown_that_runs_nothing_and_pictures_that_are_pictures(opened: World) -> None:
    blobs, pictures = opened.ws.blobs, []
    for (asset, partition), record in opened.records().items():
        details = ledger.details(opened.ws.state, record.id)
        checks = tuple(CheckResult(**check) for check in details.checks)
        outcome = Outcome(record.rows, display=dict(details.display), content_key=record.content_key, checks=checks)
        event = materialized(asset.split("/"), partition, outcome, blobs)
        for result in event.check_results or []:
            assert_printed(result.description or "")
        for metadata in [event.metadata or {}, *(result.metadata for result in event.check_results or [])]:
            for value in metadata.values():
                if isinstance(value, dg.MarkdownMetadataValue):
                    markdown_page(value.md_str or "")
        pictures += _pictures([details.display, *details.checks])
    texts = [text for digest in dict.fromkeys(pictures) for text in svg_texts(blobs.get(digest).read_bytes())]
    assert texts
    pipeline = opened.pipeline
    for description in [
        *(prose.step_description(pipeline, step) for step in STEPS),
        *(of(table) for table in pipeline.tables for of in (prose.raw_description, prose.validated_description)),
        *(prose.quarantine_description(table) for table in pipeline.tables),
    ]:
        markdown_page(description)


def _pictures(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [value["picture"]] if list(value) == ["picture"] else _pictures(list(value.values()))
    return [digest for one in value for digest in _pictures(one)] if isinstance(value, list | tuple) else []


def test_every_plot_shows_names_as_text() -> None:
    names = [HOSTILE, FILE, "\udcff\x00\ufffe"]
    numbers = np.linspace(0.1, 0.9, len(names))
    plots = {
        "importance": importance(dict(zip(names, numbers, strict=True))),
        "contributions": contributions(dict(zip(names, numbers, strict=True))),
        "drift": drift_by_feature(names, numbers, numbers, 0.2),
        "confusion": confusion(names * 2, names[::-1] * 2),
        "recalls": recalls({name: (0.5, 0.4, 0.6, 10) for name in names}),
        "series": series(HOSTILE, [1.0, 2.0], 0.0, 3.0),
        "pairs": pairs(HOSTILE, names, [0.5, 0.2, 0.3], [0.1, 0.2, 0.7]),
        "flow": flow([Box(name, (name, name)) for name in names], [(names[0], names[1])]),
    }
    for name, picture in plots.items():
        texts = svg_texts(picture)
        assert any("<" in text for text in texts) or name == "pairs", name  # whose labels are cut


def test_pages_of_the_platform_show_it_as_text_and_run_no_script(opened: World) -> None:
    row: dict[str, Any] = {
        **dict.fromkeys(("rows", "realised", "made_at")),
        **dict.fromkeys(("champion", "metric", "html", "json", "url"), HOSTILE),
        "partition": FEBRUARY,
        "alarms": [HOSTILE],
        "judged": True,
        "weighted_drift": 0.3,
        "score_psi": 0.1,
    }
    head = heading(HOSTILE, HOSTILE, HOSTILE, [HOSTILE], [HOSTILE], [Figure(HOSTILE, HOSTILE, HOSTILE)], HOSTILE)
    for html in (index_page(opened.pipeline, [row]), overview_page({NAME: (HOSTILE, [row])}), head):
        page = Page(html)
        page.assert_runs_nothing()
        assert "script" not in page.tags and "svg" not in page.tags
        assert printable(HOSTILE) in page.text
        assert_printed(page.text)
        assert html is head or policy_of(html) == NO_SCRIPT


def test_a_model_card_shows_names_values_reasons_and_owners_as_text_in_all_forms(opened: World) -> None:
    real = model_card(opened.ws, opened.pipeline, 1)
    assert any("<script>" in one.segment for one in real.gates)  # a category of the data itself
    assert real.comparison is not None and any("<script>" in one.segment for one in real.comparison.segments)
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    card = replace(
        real,
        description=HOSTILE,
        purpose=HOSTILE,
        owners=(HOSTILE,),
        target=replace(real.target, label=HOSTILE, classes=(HOSTILE,)),
        training=replace(
            real.training,
            run_id=HOSTILE,
            decision=HOSTILE,
            parameters={HOSTILE: HOSTILE},
            environment={HOSTILE: HOSTILE},
        ),
        failed_checks=(HOSTILE,),
        features=tuple(replace(one, name=HOSTILE, tables=(HOSTILE,)) for one in real.features),
        metrics=tuple(replace(one, name=HOSTILE) for one in real.metrics),
        gates=tuple(replace(one, gate=HOSTILE, segment=one.segment and HOSTILE, detail=HOSTILE) for one in real.gates),
        limits=(Limit("declared", HOSTILE),),
        changes=(Change("promoted", moment, HOSTILE, HOSTILE, HOSTILE),),
    )
    shown = markdown_page(markdown(card))
    assert shown.text.count(one_line(HOSTILE)) > 12
    assert "em" not in shown.tags and "img" not in shown.tags
    markdown_page(markdown(real))
    for one in (card, real):
        html = card_page(one)
        opened_page = Page(html)
        opened_page.assert_runs_nothing()
        assert "script" not in opened_page.tags and policy_of(html) == NO_SCRIPT
        assert_printed(opened_page.text)
        assert HOSTILE in texts_of(json_form.as_values(card)) and json_form.from_json(json_form.as_json(one)) == one
    assert Page(card_page(card)).text.count(printable(HOSTILE)) > 12


def test_a_broken_declaration_is_described_as_text() -> None:
    broken = Broken(HOSTILE, (HOSTILE,), DeclarationError(HOSTILE, HOSTILE, remedy=HOSTILE))
    (asset,) = broken_definitions([broken]).assets or []
    assert isinstance(asset, dg.AssetSpec)
    assert one_line(printable(HOSTILE).replace("\\n", "\n")) in markdown_page(asset.description or "").text


def test_alerts_leave_as_lines_that_are_printed(opened: World) -> None:
    alert = replace(alerts.raised(opened.ws.state)[0], title=HOSTILE, text=HOSTILE)
    assert line(alert).isprintable()
    for items in ([alert], [alert, alert]):
        title, body = message(items)
        assert title.isprintable() and all(one.isprintable() for one in body.split("\n"))


def test_rich_takes_nothing_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    emit_table([{HOSTILE: HOSTILE, "list": [HOSTILE], "nested": {"a": HOSTILE}}] * 2, title=HOSTILE, exact=True)
    emit_lines({HOSTILE: HOSTILE})
    say(HOSTILE)
    alarm(f"error: {HOSTILE}")
    note(HOSTILE)
    out, err = capsys.readouterr()
    for output in (out, err):
        assert_printed(output)
        assert "[red]r[/red] [link=http://a.invalid]l[/link] :smile:" in output
    complain(HOSTILE, HOSTILE)
    shown = capsys.readouterr().err
    assert_printed(shown)
    assert [text.startswith("error ") for text in shown.splitlines()] == [True, False, False, False]
