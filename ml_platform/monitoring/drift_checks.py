"""Checks on a partition's drift. One list names and describes them."""

from collections.abc import Mapping, Sequence

from ml_platform.monitoring.drift import CALENDAR, CAP, ColumnDrift
from ml_platform.monitoring.drift_rules import IMPORTANT, Alarming, alarming, important, moved_by
from ml_platform.naming import counted
from ml_platform.quality.checks import CheckResult
from ml_platform.spec.monitoring import Drift


def check_names(drift: Drift) -> list[tuple[str, str]]:
    """(name, description) of every check that `run_checks` reports."""
    return [
        (
            "weighted_drift",
            f"The weighted PSI of the model's columns against its training data is at most {drift.weighted:g}.",
        ),
        ("score_drift", f"The PSI of the scores against the champion's holdout is at most {drift.score:g}."),
        (
            "important_columns",
            f"The PSI of no column with {IMPORTANT:.0%} of the importance, nor of the most important one, is above "
            f"{drift.important:g}.",
        ),
        ("null_share", f"The share of nulls of no column that the model uses moved by more than {drift.nulls:.0%}."),
        (
            "unseen_categories",
            f"In no column that the model uses more than {drift.unseen:.0%} of the rows have a category that its "
            "training data do not have.",
        ),
    ]


def run_checks(
    drift: Drift,
    columns: Sequence[ColumnDrift],
    scores: Sequence[ColumnDrift],
    importance: Mapping[str, float],
    figure: float | None,
) -> list[CheckResult]:
    """Every check of `check_names`, in its order. All are warnings: drift alone breaks nothing."""
    reason = _unjudged(drift, columns)
    if reason:
        bounds = (drift.weighted, drift.score, drift.important, drift.nulls, drift.unseen)
        named = zip(check_names(drift), bounds, strict=True)
        return [CheckResult(name, True, "warn", None, bound, reason) for (name, _), bound in named]
    broken = alarming(drift, columns, importance)
    return [
        _weighted(drift, columns, importance, figure),
        _score(drift, scores),
        _important(drift, columns, importance, broken),
        _nulls(drift, columns, importance, broken),
        _unseen(drift, columns, importance, broken),
    ]


def _unjudged(drift: Drift, columns: Sequence[ColumnDrift]) -> str:
    """Why there is nothing to judge; empty when there is."""
    if not columns:
        return "No champion has scored this partition, so there is nothing to compare it with."
    rows = max(one.rows for one in columns)
    if rows < drift.min_rows:
        few = counted(rows, "row is", "rows are")
        return f"{few} too few to tell drift from chance; {drift.min_rows:,} are needed."
    return ""


def _weighted(
    drift: Drift, columns: Sequence[ColumnDrift], importance: Mapping[str, float], figure: float | None
) -> CheckResult:
    if figure is None:
        return CheckResult("weighted_drift", True, "warn", None, drift.weighted, "No column could be compared.")
    passed = figure <= drift.weighted
    scored = [one for one in columns if one.psi is not None and one.status != CALENDAR]
    scored.sort(key=lambda one: -importance.get(one.name, 0.0) * min(one.psi or 0.0, CAP))
    most = ", ".join(
        f"{one.name} (PSI {one.psi:.2f}, {importance.get(one.name, 0.0):.0%} of the importance)" for one in scored[:3]
    )
    sentences = [
        f"The weighted PSI of the model's columns against its training data is {figure:.3f}, "
        f"{'within' if passed else 'above'} the allowed {drift.weighted:g}; most by {most}."
    ]
    facts = [f"{one.name} is {one.status}" for one in columns if one.status in ("missing", "all null", "other type")]
    if facts:
        sentences.append(f"Not as in the training data: {'; '.join(facts)}.")
    calendar = [one.name for one in columns if one.status == CALENDAR]
    if calendar:
        sentences.append(f"Left out, because they only tell the time: {', '.join(calendar)}.")
    return CheckResult("weighted_drift", passed, "warn", figure, drift.weighted, " ".join(sentences))


def _score(drift: Drift, scores: Sequence[ColumnDrift]) -> CheckResult:
    scored = [one for one in scores if one.psi is not None]
    if not scored:
        return CheckResult("score_drift", True, "warn", None, drift.score, "There are no scores to compare.")
    worst = max(scored, key=lambda one: one.psi or 0.0)
    moved = worst.psi or 0.0
    passed = moved <= drift.score
    description = (
        f"The PSI of the {worst.name} against the holdout's is {moved:.3f}, "
        f"{'within' if passed else 'above'} the allowed {drift.score:g}"
    )
    if worst.distance is not None:
        description += f"; it moved by {worst.distance:.2f} standard deviations"
    return CheckResult("score_drift", passed, "warn", moved, drift.score, f"{description}.")


def _important(
    drift: Drift, columns: Sequence[ColumnDrift], importance: Mapping[str, float], broken: Alarming
) -> CheckResult:
    judged, left_out = important(columns, importance), _important_calendar(columns, importance)
    if not judged:
        text = " ".join(["No column could be compared.", *left_out])
        return CheckResult("important_columns", True, "warn", None, drift.important, text)
    judged.sort(key=lambda one: (one.name not in broken.moved, -moved_by(one)))
    worst = moved_by(judged[0])
    shown = [one for one in judged if one.name in broken.moved] or judged[:1]
    named = "; ".join(f"{one.name}{_how(one)}, {importance[one.name]:.0%} of the importance" for one in shown)
    where = "Above" if broken.moved else "Within"
    description = " ".join([f"{where} the allowed PSI of {drift.important:g}: {named}.", *left_out])
    return CheckResult("important_columns", not broken.moved, "warn", worst, drift.important, description)


def _important_calendar(columns: Sequence[ColumnDrift], importance: Mapping[str, float]) -> list[str]:
    """A sentence about columns of weight that are not judged: they may be quantities that only grow."""
    heavy = [one for one in columns if one.status == CALENDAR and importance.get(one.name, 0.0) >= IMPORTANT]
    named = "; ".join(f"{one.name}{_how(one)}, {importance[one.name]:.0%} of the importance" for one in heavy)
    return [f"Not judged, because they run in one direction with time: {named}."] if heavy else []


def _how(column: ColumnDrift) -> str:
    if column.psi is None:
        return f" is {column.status}"
    moved = f" by {column.distance:.1f} standard deviations" if column.kind == "number" and column.distance else ""
    gone = " (all null now)" if column.status == "all null" else ""
    return f"{gone} has PSI {column.psi:.2f}{' and moved' if moved else ''}{moved}"


def _unseen(
    drift: Drift, columns: Sequence[ColumnDrift], importance: Mapping[str, float], broken: Alarming
) -> CheckResult:
    used = [one for one in columns if one.unseen_share is not None and importance.get(one.name, 0.0) > 0]
    if not used:
        return CheckResult("unseen_categories", True, "warn", None, drift.unseen, "The model uses no category.")
    used.sort(key=lambda one: -(one.unseen_share or 0.0))
    over = [one for one in used if one.name in broken.unseen]
    named = "; ".join(f"{one.name} in {one.unseen_share:.1%} of the rows ({one.unseen})" for one in (over or used)[:5])
    description = f"Categories that the training data do not have: {named}; at most {drift.unseen:.0%} of the rows may."
    return CheckResult("unseen_categories", not over, "warn", used[0].unseen_share, drift.unseen, description)


def _nulls(
    drift: Drift, columns: Sequence[ColumnDrift], importance: Mapping[str, float], broken: Alarming
) -> CheckResult:
    used = [
        one
        for one in columns
        if one.null_change is not None and one.status != CALENDAR and importance.get(one.name, 0.0) > 0
    ]
    if not used:
        return CheckResult("null_share", True, "warn", None, drift.nulls, "No column that the model uses was compared.")
    used.sort(key=lambda one: -abs(one.null_change or 0.0))
    worst = abs(used[0].null_change or 0.0)
    over = [one for one in used if one.name in broken.nulls]
    named = "; ".join(f"{one.name} from {one.reference_nulls:.1%} to {one.nulls:.1%}" for one in (over or used)[:5])
    if over:
        description = (
            f"The share of nulls moved by more than the allowed {drift.nulls:.0%} in "
            f"{counted(len(over), 'column')} that the model uses: {named}."
        )
    else:
        description = (
            f"The share of nulls of the columns that the model uses moved by at most {worst:.1%}, and up to "
            f"{drift.nulls:.0%} is allowed: {named}."
        )
    return CheckResult("null_share", not over, "warn", worst, drift.nulls, description)
