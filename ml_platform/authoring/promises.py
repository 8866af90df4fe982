"""Writes the tests of a drafted declaration: which rows it accepts and rejects, and what its model uses."""

from ml_platform.authoring.columns import NUMBERS
from ml_platform.authoring.draft import Draft
from ml_platform.authoring.python import docstring
from ml_platform.spec.pipeline import ModelPipeline


def promises(draft: Draft, module: str, declared: ModelPipeline) -> str:
    """Tests of `declared`, a variable of the same name in `module`, to be formatted by `formatting.formatted`."""
    name, is_csv = draft.name, draft.opened.format == "csv"
    parts = [
        docstring(f"Tests the declaration of {name}: which rows are valid, and which columns its model uses."),
        f"import polars as pl\nfrom {module} import {name}, {draft.table}",
        "from ml_platform.validation.screening import screen",
    ]
    if is_csv:
        parts += [f"# A row as the file writes it.\nROW = {_row(draft)!r}", _rows(draft), *_rejections(draft)]
    return "\n\n".join([*parts, _what_it_learns(draft, declared)]) + "\n"


def _row(draft: Draft) -> dict[str, str]:
    """A row of the most frequent values, with made-up texts for names and the like."""
    row = {}
    for column in draft.columns:
        free = column.kind == "text" and not column.categories
        row[column.name] = "a" if free else column.common if column.distinct else ""
    return row


def _rows(draft: Draft) -> str:
    return f'''def _rejected(row: dict[str, str]) -> list[str]:
    """The reasons for rejecting a row; empty for a valid one."""
    raw = pl.DataFrame([{{"_row": 0, **row}}], schema_overrides={{"_row": pl.Int64}})
    return screen({draft.table}, raw, "row.csv", {{}}, {draft.name}.partitions).frame["_reason"].drop_nulls().to_list()

def test_a_row_as_in_the_file_is_valid() -> None:
    assert _rejected(ROW) == []'''


def _rejections(draft: Draft) -> list[str]:
    tests = []
    keyed = next((c for c in draft.columns if c.clean in draft.keys), None)
    if keyed is not None:
        tests.append(
            f"def test_a_row_without_its_key_is_rejected() -> None:\n"
            f"    (why,) = _rejected(ROW | {{{keyed.name!r}: ''}})\n"
            f"    assert {keyed.clean!r} in why and 'missing' in why"
        )
    number = next((u.column for u in draft.of("input") if u.column.kind in NUMBERS), None)
    if number is not None:
        tests.append(
            f"def test_a_text_where_a_number_should_be_is_rejected_with_its_column() -> None:\n"
            f"    (why,) = _rejected(ROW | {{{number.name!r}: 'many'}})\n"
            f"    assert why.startswith({f'{number.clean} is {chr(39)}many{chr(39)}'!r})"
        )
    return tests


def _what_it_learns(draft: Draft, declared: ModelPipeline) -> str:
    return (
        f"def test_the_model_sees_what_is_known_before_the_label() -> None:\n"
        f"    assert {draft.name}.task == {draft.roles.task!r}\n"
        f"    assert list({draft.name}.model_columns) == {list(declared.model_columns)!r}\n"
        f"    assert {draft.roles.target.clean!r} not in {draft.name}.row_schema"
    )
