"""Online reads of a Feast feature store in SQLite: `feast_reads.py FOLDER FEATURES KEYS`, with Feast's Python.

One feature view with one key has that many float features. For each line of standard input, a number of reads, it
prints the median microseconds of `get_online_features(...).to_dict()` and of the online store's own `online_read`.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64

CONFIG = """project: bench
registry: registry.db
provider: local
online_store: {type: sqlite, path: online.db}
entity_key_serialization_version: 3
"""


def median_µs(read: Callable[[str], object], keys: list[str]) -> float:
    seconds = []
    for key in keys:
        began = time.perf_counter()
        read(key)
        seconds.append(time.perf_counter() - began)
    return round(statistics.median(seconds) * 1e6, 1)


def main() -> None:
    folder, features, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(CONFIG)
    names, now = [f"f{number}" for number in range(features)], datetime.now(UTC)
    frame = pd.DataFrame({"key": [f"k{number}" for number in range(count)], "event_timestamp": now, "created": now})
    frame = pd.concat([frame, pd.DataFrame({name: 0.1 * frame.index for name in names})], axis=1)
    frame.to_parquet(folder / "rows.parquet")
    store = FeatureStore(repo_path=str(folder))
    entity = Entity(name="key", join_keys=["key"], value_type=ValueType.STRING)
    source = FileSource(
        path=str(folder / "rows.parquet"), timestamp_field="event_timestamp", created_timestamp_column="created"
    )
    schema = [Field(name=name, dtype=Float64) for name in names]
    view = FeatureView(name="view", entities=[entity], ttl=timedelta(days=1), schema=schema, source=source)
    store.apply([entity, view])
    store.write_to_online_store("view", frame)
    view = store.get_feature_view("view")
    asked = [f"view:{name}" for name in names]
    online = store._get_provider().online_store

    def with_feast(key: str) -> object:
        return store.get_online_features(features=asked, entity_rows=[{"key": key}]).to_dict()

    def with_its_store(key: str) -> object:
        entity_key = EntityKey(join_keys=["key"], entity_values=[Value(string_val=key)])
        ((_, values),) = online.online_read(store.config, view, [entity_key], names)
        return values

    assert len(with_feast("k1")) == features + 1 and len(with_its_store("k1") or ()) == features
    print("ready", flush=True)
    for line in sys.stdin:
        keys = [f"k{number % count}" for number in range(int(line))]
        print(
            json.dumps(
                {
                    "get_online_features p50 µs": median_µs(with_feast, keys),
                    "online_read p50 µs": median_µs(with_its_store, keys),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
