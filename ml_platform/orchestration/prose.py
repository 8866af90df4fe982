"""What people who have never seen the platform need to know about an asset: what it is, when it changes, what to do."""

from ml_platform.runtime.step import Step
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table


def step_description(pipeline: ModelPipeline, step: Step) -> str:
    """The step in a sentence, then what it holds, when it changes and what to do; and where to ask for it in SQL."""
    lines = [
        step.summary,
        step.explanation,
        f"**Changes with** {step.changes_with}.",
        f"**Worth knowing:** {step.advice}",
    ]
    if table := step.table(pipeline):
        lines.append(f'**In SQL:** `ml-platform sql "FROM {table} LIMIT 5"`')
    lines.append(f"*{pipeline.name}: {pipeline.description}*" if pipeline.description else "")
    return "\n\n".join(line for line in lines if line)


def raw_description(table: Table) -> str:
    """The rows as they came."""
    return "\n\n".join(
        [
            f"{about(table)}, as they came: {table.source.phrase}.",
            "Nothing is corrected or dropped here, so that everything after it can be made again from it.",
            f"**Changes with** {table.source.changes_with}.",
            f"**Worth knowing:** {table.source.advice}",
        ]
    )


def validated_description(table: Table) -> str:
    """The rows that keep the contract."""
    clocks = ""
    if table.event_time:
        clocks = f"A row happened at `{table.event_time}` and counts as known from `{table.known_column}` on."
    return "\n\n".join(
        line
        for line in [
            f"{about(table)}, checked: the rows that keep the contract `{table.contract.__name__}`. Its columns, "
            "their meaning and what they must keep to are listed under *Columns*.",
            f"One row is told from another by {', '.join(f'`{name}`' for name in table.key) or 'all its columns'}; "
            "a correction is a further version of the row and hides nothing of the past.",
            clocks,
            "**Changes with** the raw rows, the contract"
            + (", `clean`" if table.clean else "")
            + (f" or {', '.join(f'`{need}`' for need in table.needs)}" if table.needs else "")
            + ".",
            "**When a check is red:** its sentence says what was found. The rows that were refused are in quarantine, "
            "each with its reason.",
            f'**In SQL:** `ml-platform sql "FROM validated.{table.name} LIMIT 5"`',
        ]
        if line
    )


def quarantine_description(table: Table) -> str:
    """The rows that were refused."""
    return "\n\n".join(
        [
            f"{about(table)}, refused: rows that break the contract `{table.contract.__name__}`, each with rule, "
            "reason, file and its row number. Nothing is lost.",
            "**Worth knowing:** mend the file or the contract and run again: rows that pass then move over. "
            "`ml-platform quarantine PIPELINE --replay` says how many would.",
        ]
    )


def about(table: Table) -> str:
    """What a table is about, in words that a sentence can begin with."""
    return table.description or f"Rows of {table.name}"
