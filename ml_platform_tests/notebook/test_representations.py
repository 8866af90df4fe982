"""What Jupyter and a terminal show. Data must not become markup, whatever it is."""

from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ml_platform
from ml_platform import Linear
from ml_platform.notebook import html
from ml_platform.notebook.pipeline import Pipeline
from ml_platform.notebook.platform import Platform
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import world

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m"
TAGS = {"div", "h4", "p", "table", "thead", "tbody", "tr", "th", "td", "img"}


class Markup(HTMLParser):
    """The tags, the attributes and the texts of some HTML."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def checked(source: str) -> Markup:
    """The markup, which holds the tags of this package alone and pictures that are part of the page."""
    markup = Markup(source)
    assert set(markup.tags) <= TAGS
    assert {name for name, _ in markup.attributes} <= {"src", "alt"}
    sources = [value or "" for name, value in markup.attributes if name == "src"]
    assert all(value.startswith("data:image/svg+xml;base64,") for value in sources)
    return markup


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trips of a town one of whose zones is called `HOSTILE`, scored by a linear model."""
    folder = tmp_path_factory.mktemp("hostile") / "data"
    with closing(world(folder, scenario.trips(trainer=Linear()))) as one:
        one.land_trips("2024-01", "2024-02")
        for month in ("2024-01", "2024-02"):
            zones = pl.col("zone").replace("hill", HOSTILE)
            over = scenario.MONTHS.window(month)[1]
            one.land("trips", f"trips_{month}.csv", scenario.trip_rows(month).with_columns(zones), over)
        one.run("2024-01")
        for step in ("validated/trips", "validated/traffic", "trip_delay/features", "trip_delay/predictions"):
            one.step(step, "2024-02")
    return folder


@pytest.fixture
def hostile_pipeline(hostile: Path) -> Iterator[Pipeline]:
    with ml_platform.open(hostile) as platform:
        yield platform["trip_delay"]


def test_a_hostile_category_is_text_wherever_it_is_shown(hostile_pipeline: Pipeline) -> None:
    on_the_hill = hostile_pipeline.features("2024-02").filter(pl.col("zone") == HOSTILE).collect()
    explanation = hostile_pipeline.why(on_the_hill["trip"][0])
    assert any("<img src=x onerror=alert(1)>" in shown for shown in checked(explanation._repr_html_()).texts)
    assert "\x1b" not in repr(explanation) and "\x1b" not in explanation._repr_html_()
    champion = hostile_pipeline.champion
    assert champion is not None
    for shown in (champion, hostile_pipeline):
        checked(shown._repr_html_())


def test_a_model_that_gives_no_contributions_shows_its_importance_and_says_so(hostile_pipeline: Pipeline) -> None:
    explanation = hostile_pipeline.why(hostile_pipeline.predictions("2024-02").collect()["key"][0])
    assert explanation.features["contribution"].null_count() == explanation.features.height > 0
    assert explanation.features["importance"].sum() == pytest.approx(1)
    assert "the same for every prediction" in explanation.basis and explanation.basis in repr(explanation)
    assert "img" in checked(explanation._repr_html_()).tags


def test_every_object_shows_a_table_and_models_a_picture(platform: Platform, trip_delay: Pipeline) -> None:
    shown = checked(platform._repr_html_())
    assert {"trip_delay", "validated.trips", "binary"} <= set(shown.texts)
    assert "Whether a trip arrives more than ten minutes late." in checked(trip_delay._repr_html_()).texts
    champion = trip_delay.champion
    assert champion is not None
    assert {"table", "img"} <= set(checked(champion._repr_html_()).tags)
    explained = checked(trip_delay.why(trip_delay.predictions().collect()["key"][0])._repr_html_())
    assert {"table", "img"} <= set(explained.tags)
    assert {"km", "traffic__jam", "trips/trips_2024-02.csv"} <= set(explained.texts)


def test_a_pipeline_shows_its_champions_over_the_partitions(open_world: OpenWorld, february: Path) -> None:
    one = open_world(february)
    one.land_trips("2024-04")
    one.run("2024-03")
    with ml_platform.open(one.settings.data) as platform:
        assert "img" in checked(platform["trip_delay"]._repr_html_()).tags


def test_a_terminal_shows_a_line_for_each_thing(platform: Platform, trip_delay: Pipeline) -> None:
    assert repr(trip_delay) == "trip_delay: 2 partitions, 2 versions, champion @2"
    lines = repr(platform).splitlines()
    assert lines[0].endswith("9 tables") and lines[1:] == [
        "churn: 0 partitions, 0 versions, no champion",
        repr(trip_delay),
    ]
    assert repr(trip_delay.champion).startswith("trip_delay@2, trained after 2024-02; holdout: accuracy 0.")
    first, *effects, typical, basis = repr(trip_delay.why(trip_delay.predictions().collect()["key"][0])).splitlines()
    assert first.startswith("trip_delay@1 scored '") and len(effects) == 7 and "log-odds" in basis
    assert typical.startswith("A typical example gets 0.")


@given(st.text(), st.text())
def test_any_text_stays_text(head: str, cell: str) -> None:
    source = html.block(head, html.paragraph(cell), html.table([head], [[cell]]))
    assert Markup(source).tags == ["div", "h4", "p", "table", "thead", "tr", "th", "tbody", "tr", "td"]


def test_a_picture_that_cannot_be_drawn_is_a_sentence() -> None:
    def fails() -> bytes:
        raise ValueError("<b>NaN</b>")

    assert html.picture(fails, shows="x") == "<p>not drawn: &lt;b&gt;NaN&lt;/b&gt;</p>"
