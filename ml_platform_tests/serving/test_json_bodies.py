"""A body in which a field comes twice in one object is refused by the field's place; readers disagree about it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ml_platform.serving.rest.json_bodies import validated
from ml_platform.serving.rest.wrong_fields import wrong_fields

ANY: TypeAdapter[Any] = TypeAdapter(Any)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"a":1,"a":2}', "a"),
        ('{"a":1,"\\u0061":1}', "a"),
        ('{"rows":[{"a":1},{"b":{"c":1,"c":[]}}]}', "rows.1.b.c"),
        ('[[{"a":{"b":1,"b":2}}],{"c":1,"c":2}]', "0.0.a.b"),
        ('{"rows":[{"a":9e999}],"rows":[]}', "rows"),
        (f'{{"a":{"9" * 4000},"b":1,"b":1}}', "b"),
    ],
)
def test_a_field_that_comes_twice_in_one_object_is_refused_by_its_place(body: str, field: str) -> None:
    for sent in (body, body.encode()):
        with pytest.raises(ValidationError) as refused:
            validated(ANY, sent)
        reason = "The field comes twice in one object"
        assert wrong_fields(refused.value) == {"fields": [{"field": field, "reason": reason}], "count": 1}


@given(VALUES)
def test_other_bodies_are_what_the_adapter_makes_of_them(value: Any) -> None:
    assert validated(ANY, json.dumps(value).encode()) == value
