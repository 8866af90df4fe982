"""From JSON values to what Dagster shows; what is missing is said and breaks nothing."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_platform.lake.blobs import Blobs
from ml_platform.orchestration.rendering import plots_first, shown
from ml_platform.settings import Settings

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(Settings(data=tmp_path))


def test_a_picture_is_within_the_page(blobs: Blobs) -> None:
    value = shown({"picture": blobs.put_bytes(SVG)}, blobs)
    assert isinstance(value, dg.MarkdownMetadataValue)
    found = value.md_str.removeprefix("![plot](data:image/svg+xml;base64,").removesuffix(")")
    assert base64.b64decode(found) == SVG


def test_a_text_is_markdown(blobs: Blobs) -> None:
    value = shown({"markdown": blobs.put_bytes("# Überschrift".encode())}, blobs)
    assert value == shown({"text": "# Überschrift"}, blobs) == dg.MetadataValue.md("# Überschrift")


@pytest.mark.parametrize("word", ["picture", "markdown"])
def test_a_blob_that_is_missing_or_damaged_becomes_a_sentence(blobs: Blobs, word: str) -> None:
    digest = blobs.put_bytes(SVG)
    blobs.path(digest).write_bytes(b"other bytes")
    assert "is damaged" in shown({word: digest}, blobs)
    blobs.path(digest).unlink()
    assert "cannot be shown" in shown({word: digest}, blobs) and "is not in" in shown({word: digest}, blobs)


def test_links_lead_somewhere(blobs: Blobs) -> None:
    assert shown({"url": "http://127.0.0.1:1/a"}, blobs) == dg.MetadataValue.url("http://127.0.0.1:1/a")
    assert shown({"path": "/a/b"}, blobs) == dg.MetadataValue.path("/a/b")
    assert shown({"run": "r1"}, blobs) == dg.MetadataValue.dagster_run("r1")
    assert shown({"asset": "raw/trips"}, blobs) == dg.MetadataValue.asset(dg.AssetKey(["raw", "trips"]))
    digest = blobs.put_bytes(SVG)
    assert shown({"blob": digest}, blobs) == f"{digest[:12]} in {blobs.folder / digest[:2]}"


def test_a_moment_is_a_moment(blobs: Blobs) -> None:
    moment = datetime(2013, 2, 1, tzinfo=UTC)
    assert shown({"time": moment.isoformat()}, blobs).value == moment.timestamp()


@pytest.mark.parametrize("value", [3, True, "word", 0.66, float("inf")], ids=repr)
def test_plain_values_stay_what_they_are(blobs: Blobs, value: Any) -> None:
    # Numbers become plots over time.
    assert shown(value, blobs) == value and type(shown(value, blobs)) is type(value)


def test_numbers_are_as_long_as_people_read_them(blobs: Blobs) -> None:
    assert shown(0.7493515545436114, blobs) == 0.749352
    assert shown(1e-12 / 3, blobs) == 3.33333e-13


def test_rows_are_a_table_and_other_collections_json(blobs: Blobs) -> None:
    assert "| size | – |" in shown([{"gate": "size", "value": None}], blobs).md_str
    for value in ({"a": 1, "b": [2]}, {"path": 3}, {"rule": "url"}, ["a"], [], {}):
        assert shown(value, blobs) == dg.MetadataValue.json(value)


def test_pictures_and_texts_come_first() -> None:
    told = {"rows": 1, "card": {"markdown": "d"}, "by rule": {"a": 1}, "ROC": {"picture": "d"}}
    assert list(plots_first(told)) == ["card", "ROC", "rows", "by rule"]
