"""What a refused request says of its fields."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from ml_platform.serving.rest.wrong_fields import wrong_fields


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    carrier: str
    origin: str


class Request(BaseModel):
    rows: list[Row]


def reasons(*rows: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        Request.model_validate({"rows": list(rows)})
    return {one["field"]: one["reason"] for one in wrong_fields(refused.value)["fields"]}


def test_a_misspelt_field_is_told_with_the_missing_one_of_its_row_that_it_may_mean() -> None:
    told = reasons({"carier": "UA", "origin": "EWR"}, {"carrier": "UA", "orgin": "EWR"})
    assert told["rows.0.carier"].endswith("Did you mean 'carrier'?")
    assert told["rows.1.orgin"].endswith("Did you mean 'origin'?")


@pytest.mark.parametrize("name", ["carier", "zone", pytest.param("x" * 1_000, id="a long one")])
def test_a_field_too_many_is_no_other_that_is_there(name: str) -> None:
    told = reasons({"carrier": "UA", "origin": "EWR", name: "1"})
    assert told == {f"rows.0.{name}": "Extra inputs are not permitted"}
