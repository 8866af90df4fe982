"""The online store in one database of a Redis server: for services on several machines.

The values of a filling are one hash, by join key, and a field of the hash of fillings says which hash counts. So a
filling is seen whole or not at all, and a hash that the server evicts is missed whole. A script on the server reads all
values of a request in one round trip, at one moment.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import redis

from ml_platform.errors import ServingError, first_line
from ml_platform.features.online.rows import FINGERPRINT_BYTES
from ml_platform.redaction import without_secrets
from ml_platform.serving.online_store import Deployment, Filling, OnlineStore, Role

_PREFIX = (
    "ml_platform:online:2:"  # 2 is the layout of these keys and of `Bounds`: other code never reads them as its own
)
_LAKE, _NUMBERS, _CHANGES = (f"{_PREFIX}{name}" for name in ("lake", "numbers", "changes"))
_CURRENT, _FILLINGS, _MARKS = (f"{_PREFIX}{name}" for name in ("current", "fillings", "marks"))
_DEPLOYMENTS: Mapping[Role, str] = {
    "champion": f"{_PREFIX}deployments",
    "challenger": f"{_PREFIX}challengers",
    "canary": f"{_PREFIX}canaries",
}
_VALUES = f"{_PREFIX}values:".encode()  # then the fingerprint, and the number of the filling
_AT_ONCE = 1_000  # values that are sent together
_ABANDONED = 3_600  # seconds after which a filling that nobody ended is removed
_SECONDS = 2.0  # to connect, and for an answer: a worker waits for no server longer

_READ = """
local values = {}
for i = 2, #ARGV, 2 do
  local number = redis.call('HGET', KEYS[1], ARGV[i])
  values[i / 2] = number and redis.call('HGET', ARGV[1] .. ARGV[i] .. ':' .. number, ARGV[i + 1]) or false
end
return values
"""
_PUT_IN_PLACE = """
if redis.call('PERSIST', ARGV[1] .. ARGV[2] .. ':' .. ARGV[3]) == 0 then return 'abandoned' end
local earlier = redis.call('HGET', KEYS[1], ARGV[2])
if earlier and tonumber(earlier) > tonumber(ARGV[3]) then
  redis.call('UNLINK', ARGV[1] .. ARGV[2] .. ':' .. ARGV[3])
  return 'overtaken'
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
redis.call('INCR', KEYS[3])
if earlier then redis.call('UNLINK', ARGV[1] .. ARGV[2] .. ':' .. earlier) end
return 'in place'
"""
# A hash that the server lost is not begun anew: it would lack all other values.
_CHANGE = """
for i = 4, #ARGV, 3 do
  local number = redis.call('HGET', KEYS[1], ARGV[i])
  local name = number and ARGV[1] .. ARGV[i] .. ':' .. number
  if name and redis.call('EXISTS', name) == 1 then
    if ARGV[i + 2] == '' then redis.call('HDEL', name, ARGV[i + 1])
    else redis.call('HSET', name, ARGV[i + 1], ARGV[i + 2]) end
  end
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
"""
_FORGET = """
local number = redis.call('HGET', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('INCR', KEYS[3])
if number then redis.call('UNLINK', ARGV[1] .. ARGV[2] .. ':' .. number) end
"""


class RedisStore(OnlineStore):
    """An OnlineStore in the database at `address`, such as `redis://:password@host:6379/0`. Threads may share it.

    It belongs to one lake: another lake has another database. Raises ServingError for a server that does not answer
    within two seconds, or refuses.
    """

    def __init__(self, address: str) -> None:
        with _explained():
            # Any: its types hold text and bytes alike, whatever the client was made for.
            self._client: Any = redis.Redis.from_url(address, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
            self._client.ping()
        self._read, self._put_in_place, self._change, self._forget = (
            self._client.register_script(script) for script in (_READ, _PUT_IN_PLACE, _CHANGE, _FORGET)
        )

    def read(self, names: Sequence[bytes | None]) -> list[bytes | None]:
        present_names = [name for name in names if name is not None]
        if not present_names:
            return [None] * len(names)
        asked = [part for name in present_names for part in (name[:FINGERPRINT_BYTES], name[FINGERPRINT_BYTES:])]
        with _explained():
            values = iter(self._read(keys=[_CURRENT], args=[_VALUES, *asked]))
        return [None if name is None else next(values) for name in names]

    def fill(self, fingerprint: bytes, values: Iterable[tuple[bytes, bytes]], filling: Filling) -> Filling:
        with _explained():
            number = int(self._client.hincrby(_NUMBERS, fingerprint, 1))
        name = _VALUES + fingerprint + b":%d" % number
        count = size = 0
        fields = {b"": filling.bounds.packed()}
        remaining = iter(values)
        while fields:
            with _explained(), self._client.pipeline(transaction=True) as together:
                together.hset(name, mapping=fields)
                together.expire(name, _ABANDONED)
                together.execute()
            fields = {key[FINGERPRINT_BYTES:]: value for key, value in islice(remaining, _AT_ONCE)}
            count, size = count + len(fields), size + sum(map(len, fields.values()))
        counted = replace(filling, values=count, value_bytes=size)
        with _explained():
            outcome = self._put_in_place(
                keys=[_CURRENT, _FILLINGS, _CHANGES], args=[_VALUES, fingerprint, number, counted.to_json()]
            )
        if outcome == b"abandoned":
            raise ServingError("Redis removed a filling of the online store before it was whole.", remedy=_MEMORY)
        return counted

    def change(self, values: Mapping[bytes, bytes | None], table: str, number: int) -> None:
        changes = [
            part
            for name, value in values.items()
            for part in (name[:FINGERPRINT_BYTES], name[FINGERPRINT_BYTES:], value or b"")
        ]
        with _explained():
            self._change(keys=[_CURRENT, _MARKS], args=[_VALUES, table, number, *changes])

    def mark(self, table: str) -> int:
        with _explained():
            return int(self._client.hget(_MARKS, table) or 0)

    def fillings(self) -> Mapping[bytes, Filling]:
        with _explained():
            records, current = self._client.hgetall(_FILLINGS), self._client.hgetall(_CURRENT)
            with self._client.pipeline(transaction=False) as together:
                for fingerprint in records:
                    together.exists(_VALUES + fingerprint + b":" + current.get(fingerprint, b""))
                present = together.execute() if records else []
        return {
            fingerprint: Filling.from_json(text.decode())
            for (fingerprint, text), is_present in zip(records.items(), present, strict=True)
            if is_present
        }

    def forget(self, fingerprint: bytes) -> None:
        with _explained():
            self._forget(keys=[_CURRENT, _FILLINGS, _CHANGES], args=[_VALUES, fingerprint])

    def belong_to(self, lake: str) -> None:
        with _explained():
            if self._client.get(_LAKE) == lake.encode():
                return
            for name in self._client.scan_iter(match=f"{_PREFIX}*", count=_AT_ONCE):
                if name not in (_CHANGES.encode(), _NUMBERS.encode()):
                    self._client.unlink(name)
            self._client.set(_LAKE, lake)
            self._client.incr(_CHANGES)

    def deploy(self, deployment: Deployment) -> None:
        self._changed("hset", _DEPLOYMENTS[deployment.role], deployment.pipeline, deployment.to_json())

    def withdraw(self, pipeline: str, role: Role = "champion") -> None:
        self._changed("hdel", _DEPLOYMENTS[role], pipeline)

    def deployments(self, role: Role = "champion") -> Mapping[str, Deployment]:
        with _explained():
            texts = self._client.hgetall(_DEPLOYMENTS[role])
        return {pipeline.decode(): Deployment.from_json(text.decode()) for pipeline, text in texts.items()}

    def changes(self) -> int:
        with _explained():
            return int(self._client.get(_CHANGES) or 0)

    def close(self) -> None:
        self._client.close()

    def _changed(self, command: str, *arguments: Any) -> None:
        with _explained(), self._client.pipeline(transaction=True) as together:
            getattr(together, command)(*arguments)
            together.incr(_CHANGES)
            together.execute()


_MEMORY = "Give the server more memory, or evict less (`maxmemory-policy noeviction`)."


@contextmanager
def _explained() -> Iterator[None]:
    """Raise what Redis refuses, or its silence, as a ServingError. Its address may hold a password."""
    try:
        yield
    except (redis.RedisError, ValueError, OSError) as error:
        raise ServingError(
            f"The online store in Redis cannot be read or written: {without_secrets(first_line(error))}.",
            remedy="Check ML_PLATFORM_ONLINE_STORE and the server.",
        ) from error
