"""Flights as single row versions: examples and events at once, with weather and planes to look up.

Rows are dictionaries in the layout of a validated table, with each clock set by hand in hours from a day in
March: `departs` happens, `lands` is when the row is known, `usable` and `until` bound a version, `arrival` is
that of its file.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl

from ml_platform import Examples, Files, LightGBM, ModelPipeline, Table
from ml_platform.spec.features import Feature

Row = dict[str, Any]
DAY = datetime(2013, 3, 9, tzinfo=UTC)


def hour(count: float) -> datetime:
    """`count` hours after the day began."""
    return DAY + timedelta(hours=count)


class Flights(dy.Schema):
    """One flight. What is awkward in each column:

    - `departs`: event time and prediction time at once: a flight is an example and an event of later ones.
    - `lands`: when the row is known; null for a flight that never lands, which no feature may ever see.
    - `carrier`: what windows are kept by; null matches nothing, not even another null.
    - `origin`: never null, so that a join by it always has a key.
    - `tail`: what planes are looked up by; may be null.
    - `delay`: the contract allows NaN and infinite values, which aggregates refuse by name (S13).
    """

    flight = dy.Int64(primary_key=True)
    departs = dy.Datetime(time_zone="UTC")
    lands = dy.Datetime(time_zone="UTC", nullable=True)
    carrier = dy.String(nullable=True)
    origin = dy.String()
    tail = dy.String(nullable=True)
    delay = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)


class Weather(dy.Schema):
    """What was seen at an airport. What is awkward in each column:

    - `airport`, `seen`: the key is composite and holds the event time; nothing says when a row is known, so
      it is known when it happens.
    - `temp`: may be missing in the latest row, which counts all the same (S10).
    """

    airport = dy.String(primary_key=True)
    seen = dy.Datetime(time_zone="UTC", primary_key=True)
    temp = dy.Float64(nullable=True)


class Planes(dy.Schema):
    """Without any time: a version is known from the arrival of its file. `seats` may be missing."""

    tail = dy.String(primary_key=True)
    seats = dy.Int64(nullable=True)


def pipeline(*features: Feature, refresh: str | None = None, planes_refresh: str | None = None) -> ModelPipeline:
    """Delays of flights, with these features."""
    files = Files("*.csv")
    return ModelPipeline(
        "airport",
        features=features,
        trainer=LightGBM(),
        tables=(
            Table("flights", files, Flights, event_time="departs", known_at="lands", refresh=refresh),
            Table("weather", files, Weather, event_time="seen"),
            Table("planes", files, Planes, refresh=planes_refresh),
        ),
        examples=Examples("flights", "flight", ("carrier", "origin", "tail"), label=pl.col("delay") > 15, at="departs"),
    )


def flight(
    number: int,
    departs: float,
    lands: float | None,
    delay: float | None = 1.0,
    *,
    carrier: str | None = "AA",
    usable: float | None = None,
    until: float | None = None,
    arrival: float = -100.0,
    place: int = 0,
) -> Row:
    """A version of a flight in the validated layout."""
    known = None if lands is None else hour(lands)
    return {
        "flight": number,
        "departs": hour(departs),
        "lands": known,
        "carrier": carrier,
        "origin": "JFK",
        "tail": "N1",
        "delay": delay,
        "_file": "f",
        "_row": 100 * place + number,
        "_arrival": hour(arrival),
        "_known_at": known,
        "_usable_at": known if usable is None else hour(usable),
        "_superseded_at": None if until is None else hour(until),
    }


def weather(seen: float, temp: float | None, *, airport: str = "JFK", late: float = 0.0) -> Row:
    known = hour(seen + late)
    return {
        "airport": airport,
        "seen": hour(seen),
        "temp": temp,
        "_file": "w",
        "_row": int(seen),
        "_arrival": known,
        "_known_at": known,
        "_usable_at": known,
        "_superseded_at": None,
    }


def plane(
    seats: int | None, arrival: float, *, usable: float | None = None, until: float | None = None, tail: str = "N1"
) -> Row:
    return {
        "tail": tail,
        "seats": seats,
        "_file": f"p{arrival}",
        "_row": 0,
        "_arrival": hour(arrival),
        "_known_at": hour(arrival),
        "_usable_at": hour(arrival if usable is None else usable),
        "_superseded_at": None if until is None else hour(until),
    }


def example(number: int, at: float, *, carrier: str | None = "AA", tail: str | None = "N1") -> Row:
    return {"flight": number, "departs": hour(at), "carrier": carrier, "origin": "JFK", "tail": tail}
