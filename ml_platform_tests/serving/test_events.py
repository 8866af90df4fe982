"""Events (S36): the next prediction has of them what the batch has once they are in the lake."""

from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.serving.events.taking import EventsRefused
from ml_platform.state.stores import Stores
from ml_platform_tests.features.test_properties import bits
from ml_platform_tests.serving.event_world import BASE, EventWorld, Row, pipeline, reading, visits


def same(online: list[Row], batch: list[Row]) -> None:
    for one, other in zip(online, batch, strict=True):
        if one:
            assert {name: bits(value) for name, value in one.items()} == {
                name: bits(value) for name, value in other.items()
            }


def test_the_next_prediction_sees_an_event_as_the_batch_does_later(stores: Stores) -> None:
    with EventWorld(stores, pipeline()) as world:
        world.ready()
        assert world.take("readings", [reading(1, "s1", 2, 20.0), reading(2, "s1", 5, 3.5)]).taken == 2
        assert world.take("clicks", [{"person": 1, "at": BASE - timedelta(hours=1), "page": "b"}]).taken == 1
        assert world.take("people", [{"person": 1, "name": "Bob", "born": None}]).taken == 1
        examples = visits(datetime.now(UTC), BASE + timedelta(hours=1), BASE - timedelta(hours=4))
        seen = world.online(examples)
        assert [row["people__name"] for row in seen[:4]] == ["Ada", "Bob", "Ada", "Bob"]
        world.validate()
        same(seen, world.batch(examples))
        world.fill()
        same(world.online(examples), seen)
        paths = [version.path for version in world_versions(world, "readings")]
        assert [path for path in paths if path.startswith("_events/readings/")]


def world_versions(world: EventWorld, table: str) -> list[object]:
    from ml_platform.state.files import versions

    return list(versions(world.stores.state, table))


def test_what_the_batch_would_refuse_is_refused_whole(stores: Stores) -> None:
    with EventWorld(stores, pipeline("quarantine")) as world:
        world.ready()
        with pytest.raises(EventsRefused, match="value") as refused:
            world.take("readings", [reading(1, "s1", 1), reading(2, "s1", 1, 1000.0)])
        assert refused.value.reasons.keys() == {1}
        assert world.take("readings", [reading(1, "s1", 1)]).taken == 1
        assert world.take("readings", [reading(1, "s1", 1)]).repeated == 1
        with pytest.raises(EventsRefused, match="other content"):
            world.take("readings", [reading(1, "s1", 2)])
