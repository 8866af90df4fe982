"""The tests of a drafted declaration, as the text of a module: what it takes, what it refuses, what its model sees."""

from ml_platform.authoring.columns import NUMBERS
from ml_platform.authoring.draft import Draft
from ml_platform.authoring.python import docstring, finished, listed, mapping, text, written
from ml_platform.spec.pipeline import ModelPipeline


def promises(draft: Draft, module: str, declared: ModelPipeline) -> str:
    """Tests of `declared`, which is the variable of its name in `module`."""
    name, rowwise = draft.name, draft.opened.format == "csv"
    screening = "from ml_platform.validation.screening import screen"
    heads = ["import polars as pl", ""] if rowwise else []
    local = f"from {module} import {', '.join(sorted([name, draft.table]) if rowwise else [name])}"
    sections = [_what_it_learns(draft, declared)]
    if rowwise:
        sections = [_rows(draft), *_refusals(draft), *sections]
    said = docstring(f"What the declaration of {name} promises: which rows it takes, and what its model may see.")
    if not rowwise:
        blocks = [local]
    elif module.startswith("ml_platform."):
        blocks = sorted([screening, local])
    else:
        blocks = [screening, "", local]
    imports = "\n".join([*heads, *blocks])
    row = f"\n\n# A row as the file writes it.\n{written(mapping(_row(draft)), 'ROW = ')}" if rowwise else ""
    return finished(f"{said}\n\n{imports}{row}\n\n\n" + "\n\n\n".join(sections))


def _row(draft: Draft) -> dict[str, str]:
    """The most frequent value of each column: no row of the file. Names and the like are made up."""
    made = {}
    for column in draft.columns:
        free = column.kind == "text" and not column.levels
        made[column.name] = "a" if free else column.common if column.distinct else ""
    return made


def _rows(draft: Draft) -> str:
    return f'''def _refused(row: dict[str, str]) -> list[str]:
    """Why a row is refused; empty for one that is taken."""
    raw = pl.DataFrame([{{"_row": 0, **row}}], schema_overrides={{"_row": pl.Int64}})
    return screen({draft.table}, raw, "row.csv", {{}}, {draft.name}.partitions).frame["_reason"].drop_nulls().to_list()


def test_a_row_as_the_file_writes_it_is_taken() -> None:
    assert _refused(ROW) == []'''


def _refusals(draft: Draft) -> list[str]:
    found = []
    keyed = next((c for c in draft.columns if c.clean in draft.keys), None)
    if keyed is not None:
        found.append(
            f"def test_a_row_without_its_key_is_refused() -> None:\n"
            f'    (why,) = _refused(ROW | {{{text(keyed.name)}: ""}})\n'
            f'    assert {text(keyed.clean)} in why and "missing" in why'
        )
    number = next((u.column for u in draft.of("input") if u.column.kind in NUMBERS), None)
    if number is not None:
        found.append(
            f"def test_a_text_where_a_number_should_be_is_refused_by_name() -> None:\n"
            f'    (why,) = _refused(ROW | {{{text(number.name)}: "many"}})\n'
            f"    assert why.startswith({text(f'{number.clean} is {chr(39)}many{chr(39)}')})"
        )
    return found


def _what_it_learns(draft: Draft, declared: ModelPipeline) -> str:
    columns = listed([text(column) for column in declared.model_columns])
    told = written(columns, f"assert list({draft.name}.model_columns) == ", depth=1)
    target = text(draft.roles.target.clean)
    return (
        f"def test_the_model_sees_what_is_known_before_the_answer() -> None:\n"
        f"    assert {draft.name}.task == {text(draft.roles.task)}\n"
        f"{told}\n"
        f"    assert {target} not in {draft.name}.row_schema"
    )
