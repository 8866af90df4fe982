"""What a contract says of its columns, for those who call the service."""

import json
from datetime import datetime
from decimal import Decimal

import dataframely as dy

from ml_platform.spec.contract_rules import contract_rules, rules_in_words


class Parcels(dy.Schema):
    parcel = dy.String(primary_key=True, min_length=2, max_length=9, regex="^[A-Z]+$")
    grams = dy.Int32(min=1, max_exclusive=40_000, description="weight", metadata={"unit": "g"})
    zone = dy.Int8(is_in=[1, 2, 5], nullable=True)
    service = dy.Enum(["slow", "fast"])
    price = dy.Decimal(precision=8, scale=2, min_exclusive=Decimal("0.05"))
    sent_at = dy.Datetime(time_zone="UTC", min=datetime(2020, 1, 1))  # as dataframely takes it


def test_bounds_units_and_meanings_are_json_values() -> None:
    rules = contract_rules(Parcels, Parcels.columns())
    assert json.loads(json.dumps(rules, allow_nan=False)) == rules
    assert rules == {
        "parcel": {"nullable": False, "minBytes": 2, "maxBytes": 9, "pattern": "^[A-Z]+$"},
        "grams": {"nullable": False, "description": "weight", "unit": "g", "minimum": 1, "exclusiveMaximum": 40_000},
        "zone": {"nullable": True, "values": [1, 2, 5]},
        "service": {"nullable": False, "values": ["slow", "fast"]},
        "price": {"nullable": False, "exclusiveMinimum": "0.05"},
        "sent_at": {"nullable": False, "minimum": "2020-01-01T00:00:00"},
    }
    assert rules_in_words(rules["grams"]) == "weight; g; at least 1, below 40000"
    assert rules_in_words(rules["service"]) == "one of slow, fast"


def test_columns_that_are_not_asked_for_or_not_declared_are_left_out() -> None:
    assert contract_rules(Parcels, ["zone", "elsewhere"]).keys() == {"zone"}
