"""What every online store does alike, in SQLite and in Redis."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import redis
from pydantic import ValidationError

from ml_platform.errors import ServingError
from ml_platform.serving.online_store import Bounds, CanaryTerms, Deployment, Filling, OnlineStore
from ml_platform.serving.opening_store import open_store
from ml_platform.serving.redis_store import RedisStore
from ml_platform.settings import Settings
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.redis_server import PASSWORD, redis_server
from ml_platform_tests.serving.service import json_rows, ready, served, until

ONE, OTHER = b"layout-1", b"layout-2"
NOON = datetime(2024, 2, 3, 12, tzinfo=UTC)
FILLING = Filling("traffic", 7, NOON, None, NOON)
DEPLOYMENT = Deployment("trip_delay", 3, "digest", NOON)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with redis_server() as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.slow)])
def settings_of_store(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return Settings(data=tmp_path)
    address = request.getfixturevalue("server")
    with redis.Redis.from_url(address) as client:
        client.flushall()
    return Settings(data=tmp_path, online_store=address)


@pytest.fixture
def store(settings_of_store: Settings) -> Iterator[OnlineStore]:
    with closing(open_store(settings_of_store)) as one:
        yield one


def values(*numbers: int, fingerprint: bytes = ONE) -> list[tuple[bytes, bytes]]:
    return [(fingerprint + b"[%d]" % number, b"value %d" % number) for number in numbers]


def test_a_filling_replaces_the_one_before_it_whole(store: OnlineStore) -> None:
    assert store.fill(ONE, values(1, 2), FILLING) == store.fillings()[ONE]
    assert (store.fillings()[ONE].values, store.fillings()[ONE].value_bytes) == (2, 14)
    store.fill(ONE, values(2, 3), FILLING)
    store.fill(OTHER, values(1, fingerprint=OTHER), FILLING)
    names = [ONE + b"[1]", None, ONE + b"[2]", ONE + b"[3]", OTHER + b"[1]", ONE, b"layout-3[1]"]
    assert store.read(names) == [None, None, b"value 2", b"value 3", b"value 1", FILLING.bounds.packed(), None]
    assert store.read([None]) == [None] and store.read([]) == []
    assert Bounds.of(FILLING.bounds.packed()) == FILLING.bounds


def test_a_change_replaces_single_values_of_layouts_that_are_filled(store: OnlineStore) -> None:
    store.fill(ONE, values(1, 2), FILLING)
    assert store.mark("traffic") == 0
    changed = {ONE + b"[1]": b"other", ONE + b"[2]": None, ONE + b"[3]": b"new", OTHER + b"[1]": b"nowhere"}
    store.change(changed, "traffic", 7)
    assert store.read([ONE + b"[1]", ONE + b"[2]", ONE + b"[3]", OTHER + b"[1]"]) == [b"other", None, b"new", None]
    assert (store.mark("traffic"), store.mark("drivers")) == (7, 0)
    store.fill(ONE, values(2), FILLING)
    assert store.read([ONE + b"[1]", ONE + b"[2]", ONE + b"[3]"]) == [None, b"value 2", None]


def test_more_values_than_are_sent_together_are_all_there(store: OnlineStore) -> None:
    store.fill(ONE, values(*range(2_500)), FILLING)
    assert store.read([name for name, _ in values(0, 999, 1_000, 2_499, 2_500)])[-2:] == [b"value 2499", None]


def test_what_is_forgotten_is_gone_and_nothing_else(store: OnlineStore) -> None:
    store.fill(ONE, values(1), FILLING)
    store.fill(OTHER, values(1, fingerprint=OTHER), FILLING)
    store.forget(ONE)
    assert store.fillings().keys() == {OTHER}
    assert store.read([ONE, ONE + b"[1]", OTHER + b"[1]"]) == [None, None, b"value 1"]


def test_a_store_of_another_lake_is_emptied(store: OnlineStore) -> None:
    store.belong_to("one")
    store.fill(ONE, values(1), FILLING)
    store.deploy(DEPLOYMENT)
    store.belong_to("one")
    assert store.deployments() == {"trip_delay": DEPLOYMENT}
    store.belong_to("other")
    assert (store.fillings(), store.deployments(), store.read([ONE + b"[1]"])) == ({}, {}, [None])


def test_a_version_has_each_role_apart_and_a_canary_its_terms(store: OnlineStore) -> None:
    terms = CanaryTerms(entry=5, champion=3, share=0.1, max_error_share=0.0, max_latency_ratio=2.0)
    canary = replace(DEPLOYMENT, version=4, role="canary", terms=terms)
    for one in (DEPLOYMENT, canary):
        store.deploy(one)
    assert store.deployments() == {"trip_delay": DEPLOYMENT} and not store.deployments("challenger")
    assert store.deployments("canary") == {"trip_delay": canary}
    ended = replace(canary, terms=replace(terms, ended="it failed", evidence="{}"))
    store.deploy(ended)
    assert store.deployments("canary") == {"trip_delay": ended}
    store.withdraw("trip_delay", "canary")
    assert not store.deployments("canary") and store.deployments()


def test_every_change_by_another_is_seen(store: OnlineStore, settings_of_store: Settings) -> None:
    with closing(open_store(settings_of_store)) as other:
        seen = [store.changes()]
        for change in (
            lambda: other.deploy(DEPLOYMENT),
            lambda: other.fill(ONE, values(1), FILLING),
            lambda: other.withdraw("trip_delay"),
            lambda: other.forget(ONE),
        ):
            change()
            seen.append(store.changes())
        assert len(set(seen)) == len(seen) and store.changes() == seen[-1]
        assert store.deployments() == {}


def test_a_filling_that_ends_early_changes_nothing(store: OnlineStore) -> None:
    def until_the_disk_is_full() -> Iterator[tuple[bytes, bytes]]:
        yield from values(*range(1_500))
        raise OSError("no space left on device")

    store.fill(ONE, values(1), FILLING)
    with pytest.raises(OSError, match="no space left"):
        store.fill(ONE, until_the_disk_is_full(), FILLING)
    assert store.read([ONE + b"[1]", ONE + b"[2]"]) == [b"value 1", None]
    store.fill(ONE, values(2), FILLING)
    assert store.read([ONE + b"[1]", ONE + b"[2]"]) == [None, b"value 2"]


def test_others_write_while_values_of_a_filling_are_made(store: OnlineStore, settings_of_store: Settings) -> None:
    def slow() -> Iterator[tuple[bytes, bytes]]:
        yield from values(1)
        with closing(open_store(settings_of_store)) as other:
            other.deploy(DEPLOYMENT)
            other.change({}, "traffic", 7)
        yield from values(2)

    store.fill(ONE, slow(), FILLING)
    assert (store.deployments(), store.mark("traffic")) == ({DEPLOYMENT.pipeline: DEPLOYMENT}, 7)
    assert None not in store.read([name for name, _ in values(1, 2)])


def test_readers_see_one_filling_at_a_time(store: OnlineStore, settings_of_store: Settings) -> None:
    def fill(number: int) -> None:
        with closing(open_store(settings_of_store)) as other:
            other.fill(ONE, [(ONE + b"[%d]" % key, b"%d" % number) for key in range(200)], FILLING)

    fill(0)
    names = [ONE + b"[%d]" % key for key in range(0, 200, 20)]
    seen = set()
    for number in range(1, 6):
        filling = threading.Thread(target=fill, args=(number,))
        filling.start()
        while filling.is_alive():
            of_one_moment = set(store.read(names))
            assert len(of_one_moment) == 1
            seen |= of_one_moment
        filling.join()
        assert set(store.read(names)) == {b"%d" % number}
    assert seen


@pytest.mark.parametrize("address", ["localhost:6379", "http://localhost", "postgresql://ml:sesame@host/db"])
def test_what_is_no_address_of_redis_is_refused_and_not_quoted(tmp_path: Path, address: str) -> None:
    with pytest.raises(ValidationError, match="redis://") as refused:
        Settings(data=tmp_path, online_store=address)
    assert address not in str(refused.value)


@pytest.mark.slow
def test_a_wrong_password_and_a_server_that_is_gone_are_named_without_the_password(server: str) -> None:
    for address in (server.replace(PASSWORD, "other-sesame"), f"redis://:{PASSWORD}@127.0.0.1:1/0"):
        with pytest.raises(ServingError, match="cannot be read or written") as refused:
            RedisStore(address)
        assert "sesame" not in str(refused.value)


@pytest.mark.slow
def test_what_redis_loses_while_it_serves_is_filled_again(server: str, open_world: OpenWorld, february: Path) -> None:
    world = open_world(february)
    (row,) = ({name: value for name, value in row.items() if name != "_score"} for row in json_rows(world, 1))
    data, name = world.settings.data, world.pipeline.name
    world.close()
    with (
        served(data, "ml_platform_tests.declarations.trips_monthly", ML_PLATFORM_ONLINE_STORE=server) as (url, _),
        redis.Redis.from_url(server) as client,
    ):
        predict = f"{url}/v1/pipelines/{name}/predict"
        before = httpx.post(predict, json={"rows": [row]}).json()["predictions"][0]["score"]
        layouts = list(client.scan_iter("ml_platform:online:2:values:*"))
        assert layouts
        client.delete(*layouts)  # as an eviction
        assert httpx.post(predict, json={"rows": [row]}).status_code == 503
        _until_it_answers(predict, row, before)
        client.flushall()  # as a restart without a file
        _until_it_answers(predict, row, before)
        ready(url)


def _until_it_answers(predict: str, row: object, score: float) -> None:
    def answers() -> bool:
        answer = httpx.post(predict, json={"rows": [row]})
        assert answer.status_code in (200, 404, 503)  # 404: no champion is deployed for a moment
        return answer.status_code == 200 and answer.json()["predictions"][0]["score"] == score

    until(answers)
