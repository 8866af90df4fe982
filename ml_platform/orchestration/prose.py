"""What people who have never seen the platform need to know about an asset: what it is, when it changes, what to do."""

from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.steps.pipeline_steps import Step

# Per step: what the table or thing tells, when it changes, and what to do when it is red or surprising.
_STEPS = {
    "features": (
        "A feature uses only what was known before that time, so that training sees exactly what serving will see. "
        "What each column holds is listed under *Columns*.",
        "a validated partition it looks back on, or the declaration of a feature",
        "*most nulls* names the features to look at first: a join that finds nothing shows there.",
    ),
    "predictions": (
        "It is what would have been served in that time. `score` is the probability of a true label or of the class, "
        "or the predicted value.",
        "the features of the partition, or the champion of its start",
        "without rows there was no champion yet: train and promote one first.",
    ),
    "performance": (
        "In every metric of the task, over all rows and per slice that a gate names. The pictures show the partition, "
        "and the metric over all partitions so far.",
        "the predictions, or labels that become known",
        "few *labelled* rows make wide intervals. A fall over several partitions is a reason to look at drift.",
    ),
    "drift": (
        "Feature by feature and for the score, against what the champion was trained on, and as one figure weighted by "
        "importance.",
        "the features or predictions of the partition, or the champion",
        "look at the important features first: a season does little harm, a broken source does.",
    ),
    "report": (
        "It is made by Evidently from a sample of the partition and of the champion's training set, to be read in the "
        "browser.",
        "the drift figures, or labels that become known",
        "the figures that decide are in the drift table; this report helps to understand them.",
    ),
    "decision": (
        "There is one row either way. Where it fired, training may begin.",
        "the declared policy, the decisions before, or what is known by the end of the partition",
        "*held back* is no error: the reason says what was missing.",
    ),
    "training_set": (
        "Only examples whose labels were known by then, in three parts by time: train, validation (when to stop) and "
        "holdout (for the gates alone).",
        "the decision, the features so far or the labels known by then",
        "*immature* examples had no label yet and are left out.",
    ),
    "candidate": (
        "It cannot serve before every gate has passed. *what it looks at* shows its features by their share of the "
        "importance.",
        "the training set, the trainer or the features",
        "a feature that towers over all others is suspect: it may know the answer.",
    ),
    "verdicts": (
        "It is measured on the holdout once and stored; promotion reads the stored rows and not the checks. The model "
        "card tells everything about the version on one page.",
        "the candidate, a gate, or the champion it is compared with",
        "a red gate keeps the champion, and nothing else stops. Its sentence says by how much it was missed.",
    ),
    "champion": (
        "The candidate is promoted if every gate passed; otherwise the one before stays. Every change is a row of the "
        "promotion log.",
        "the verdicts",
        "`ml-platform models PIPELINE --history` tells who changed it and why; `ml-platform rollback` puts an earlier "
        "one back.",
    ),
}


def step_description(pipeline: ModelPipeline, step: Step) -> str:
    """The step in a sentence, then what it holds, when it changes and what to do; and where to ask for it in SQL."""
    if step.name not in _STEPS:
        return step.description
    what, changes, remedy = _STEPS[step.name]
    lines = [step.description, what, f"**Changes with** {changes}.", f"**Worth knowing:** {remedy}"]
    if step.table:
        lines.append(f'**In SQL:** `ml-platform sql "FROM {step.table} LIMIT 5"`')
    lines.append(f"*{pipeline.name}: {pipeline.description}*" if pipeline.description else "")
    return "\n\n".join(line for line in lines if line)


def raw_description(table: Table) -> str:
    """The rows as they came."""
    return "\n\n".join(
        [
            f"{about(table)}, as they came: every row of every file that landed as `{table.source.pattern}`, as text "
            "where the file is text, with its file and row number.",
            "Nothing is corrected or dropped here, so that everything after it can be made again from it.",
            "**Changes with** a new or replaced file in the landing folder.",
            "**Worth knowing:** a file that cannot be read stays where it is and is listed under *refused* with the "
            "reason and the remedy; the others go on.",
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
