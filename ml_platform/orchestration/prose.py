"""Asset descriptions for Dagster: what an asset is, when it changes and what to do when something is wrong."""

from ml_platform.escaping import markdown_code, markdown_text
from ml_platform.naming import quoted
from ml_platform.runtime.step import Step
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table


def step_description(pipeline: ModelPipeline, step: Step) -> str:
    """The description of a step's asset: summary, contents, what changes it, advice, and a SQL query."""
    lines = [
        step.summary,
        step.explanation,
        f"**Changes with** {step.changes_with}.",
        f"**Worth knowing:** {step.advice}",
    ]
    if table := step.table(pipeline):
        lines.append(_in_sql(table))
    lines.append(f"*{pipeline.name}: {markdown_text(pipeline.description)}*" if pipeline.description else "")
    return "\n\n".join(line for line in lines if line)


def raw_description(table: Table) -> str:
    """The description of a raw table."""
    return "\n\n".join(
        [
            f"{about(table)}, as they came: {table.source.phrase}.",
            "Nothing is corrected or dropped here, so that all downstream assets can be computed again.",
            f"**Changes with** {table.source.changes_with}.",
            f"**Worth knowing:** {table.source.advice}",
        ]
    )


def validated_description(table: Table) -> str:
    """The description of a validated table."""
    clocks = ""
    if table.event_time and table.known_column:  # a table with event times has both
        clocks = f"{markdown_code(table.event_time)} is the event time of a row. A row is known from "
        clocks += f"{markdown_code(table.known_column)} on."
    return "\n\n".join(
        line
        for line in [
            f"{about(table)}, validated: the rows that satisfy the contract `{table.contract.__name__}`. "
            "*Columns* lists descriptions and constraints.",
            f"The key is {', '.join(map(markdown_code, table.key)) or 'all its columns'}; "
            "a correction adds a version of the row and keeps the earlier versions.",
            clocks,
            "**Changes with** the raw rows, the contract"
            + (", `clean`" if table.clean else "")
            + (f" or {', '.join(f'`{need}`' for need in table.needs)}" if table.needs else "")
            + ".",
            "**When a check fails:** its description says why. Rejected rows are in quarantine, each with its reason.",
            _in_sql(f"validated.{table.name}"),
        ]
        if line
    )


def quarantine_description(table: Table) -> str:
    """The description of a quarantine table."""
    return "\n\n".join(
        [
            f"{about(table)}, rejected: rows that break the contract `{table.contract.__name__}`, each with rule, "
            "reason, file and row number. No row is lost.",
            "**Worth knowing:** correct the file or the contract and run again. Rows that pass then become valid. "
            "`ml-platform quarantine PIPELINE --replay` counts them beforehand.",
        ]
    )


def _in_sql(table: str) -> str:
    """A query of a lake table, `schema.name`, to paste into a shell: a pipeline may be called `order`."""
    return f"**In SQL:** `ml-platform sql 'FROM {'.'.join(map(quoted, table.split('.')))} LIMIT 5'`"


def about(table: Table) -> str:
    """The table's description, or a default, as the start of a sentence."""
    return markdown_text(table.description) or f"Rows of {table.name}"
