"""Each kind of feature is a word and a form, and only its own modules ask which kind a feature is."""

import ast
import typing
from pathlib import Path

import pytest

import ml_platform
from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.kinds import JOINED, form_from_json, form_of
from ml_platform.spec.features import Feature, JoinedFeature
from ml_platform_tests.features.test_definition import everything

WORDS = typing.get_args(Feature)
PACKAGE = Path(ml_platform.__file__).parent
OWN = (PACKAGE / "features", PACKAGE / "spec" / "features")


def test_every_word_that_reads_a_table_has_one_form_and_every_form_a_kind_of_its_own() -> None:
    joined = [word for word in WORDS if issubclass(word, JoinedFeature)]
    assert {form.word for form in JOINED} == {word.__name__ for word in joined}
    assert len({form.kind for form in JOINED}) == len(JOINED) == len(joined)


def test_forms_are_stored_with_their_kind_and_read_again() -> None:
    for form in map(form_of, everything().joined):
        stored = form.to_json()
        assert stored["kind"] == form.kind and form_from_json(stored) == form


def test_a_kind_that_is_not_known_is_refused() -> None:
    stored = {**form_of(everything().joined[0]).to_json(), "kind": "oracle"}
    with pytest.raises(FeatureError, match=r"'oracle' is not known .*Use the ml_platform that wrote it, or a newer"):
        form_from_json(stored)


def test_a_form_tells_what_the_definition_must_carry() -> None:
    definition = FeatureDefinition.of(everything())
    for form in definition.joined:
        assert set(form.outputs) <= definition.outputs.keys()
        assert set(form.columns) <= definition.tables[form.table].columns.keys()


def test_nobody_outside_asks_which_kind_a_feature_is() -> None:
    kinds = {kind.__name__ for kind in (*WORDS, *JOINED)} | {"DerivedForm", "JoinedFeature", "JoinedForm"}
    asking = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if not any(path.is_relative_to(own) for own in OWN)
        for node in ast.walk(ast.parse(path.read_text()))
        if kinds & _asked(node)
    ]
    assert asking == []


def _asked(node: ast.AST) -> set[str]:
    """The names of the classes that an isinstance() or a case asks for."""
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]):
            asked: ast.AST = classes
        case ast.MatchClass(cls=pattern):
            asked = pattern
        case _:
            return set()
    inner = list(ast.walk(asked))
    names = {part.id for part in inner if isinstance(part, ast.Name)}
    return names | {part.attr for part in inner if isinstance(part, ast.Attribute)}
