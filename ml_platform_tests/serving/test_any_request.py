"""Requests that a machine makes up from the service's own description: every answer is one of those described."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.events.tables import tables_with_events
from ml_platform.serving.events.taking import EventTaker
from ml_platform.serving.logged_predictions import LoggedPredictions
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.app import create_app
from ml_platform.serving.rest.event_routes import EventRoutes
from ml_platform.serving.rest.event_service import EventService
from ml_platform.serving.rest.service import Service
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.examples import tries

SENT = {"host": "localhost"}
# Not asked: that whatever fits the schema is accepted. No schema can say that there is an override for each row, that a
# time has microseconds, and that it is of the years 1 to 9999 in UTC.


@pytest.fixture
def schema(open_world: OpenWorld, february: Path, tmp_path: Path) -> Iterator[schemathesis.BaseSchema]:
    """The description of a service with a champion, over the service itself."""
    world = open_world(february)
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as store:
        events = EventService(lambda: {"trip_delay": world.pipeline}, world.settings.events, store, 100_000_000)
        tables = tables_with_events(world.pipeline)
        for name in ("drivers", "traffic"):
            EventTaker(tables[name], world.settings.events, store, 0).close()  # from now on it is filled
        with EventKeeper(world.settings, tables) as keeper:
            deploy_champion(world.ws, world.pipeline.name, store, None, keeper, keeper.taking)
        service = Service(world.ws.blobs, store, tmp_path / "log", 100_000_000, [world.pipeline.name])
        service.take_up_changes()
        more = EventRoutes(events, LoggedPredictions(world.settings, tmp_path / "log"))
        app = create_app(service, Access({}), started=lambda: None, filling_faults=dict, more=more)
        yield schemathesis.openapi.from_asgi("/openapi.json", app, headers=SENT)


def test_every_answer_is_described_and_none_is_a_fault_of_the_service(schema: schemathesis.BaseSchema) -> None:
    results = list(schema.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results)
    assert {operation.path for operation in operations} >= {
        *(f"/v1/pipelines/trip_delay/{name}" for name in ("predict", "events")),
        "/readyz",
        "/metrics",
    }
    for operation in operations:
        valid = [schemathesis.GenerationMode.POSITIVE]  # a name in a path may be any text
        for mode in schemathesis.GenerationMode if operation.method == "post" else valid:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=tries(200, share=16), suppress_health_check=list(HealthCheck))
            def answers_as_described(case: Case[Any]) -> None:
                case.call_and_validate(headers=SENT, excluded_checks=[positive_data_acceptance])

            answers_as_described()
