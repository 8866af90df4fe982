"""Decides how each column is used, with reasons."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.authoring.columns import NUMBERS, TIMES, Column
from ml_platform.authoring.roles import Roles
from ml_platform.evaluation.gates.leakage import learned
from ml_platform.evaluation.metrics import metric
from ml_platform.spec.leak_gates import Leakage

MANY_LEVELS = 200
NEARLY_UNIQUE = 0.5  # of the rows have a text of their own
_REPEATS = "an identifier that repeats: a model would learn it by heart"
_SUMMED = 40  # numbers of which each pair is added up
_IDENTIFIER = re.compile(r"(^|_)(id|key|uuid|guid|nr|no|number|zip|phone)$")

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Use:
    """One column's part.

    role: key, at, target, input, group (keeps its rows together and is no feature), excluded (known, and no feature),
          outcome (perhaps known later) or left out (of the contract).
    why:  for the last four.
    """

    column: Column
    role: str
    why: str = ""


def uses(columns: Sequence[Column], roles: Roles) -> list[Use]:
    """The use of each column, in order."""
    suspects = _suspects([c for c in columns if _comparable(c, roles)], roles)
    seen: dict[int, Column] = {}
    return [_use(column, roles, suspects, seen) for column in columns]


def _use(column: Column, roles: Roles, suspects: dict[str, str], seen: dict[int, Column]) -> Use:
    twin = seen.setdefault(column.mark, column)
    if column is roles.target:
        return Use(column, "target")
    if column is roles.at:
        return Use(column, "at")
    if column is roles.group:
        return Use(column, "group", _REPEATS)
    if column in roles.key:
        several = len(roles.key) > 1 and column.kind == "text" and column.distinct <= MANY_LEVELS
        return Use(column, "input" if several else "key")
    if column.kind == "other":
        return Use(column, "left out", "nested or binary")
    if column.kind == "empty":
        return Use(column, "excluded", "no value in any row")
    if column.distinct == 1 and column.nulls == 0:
        return Use(column, "excluded", f"constant: {column.common[:30]!r} in all rows")
    if column.clean in suspects:
        return Use(column, "outcome", suspects[column.clean])
    if twin is not column and twin is not roles.target:
        return Use(column, "excluded", f"the same as {twin.clean}")
    if column.kind in TIMES:
        return Use(column, "outcome", "a time other than the prediction time")
    if column.kind == "text" and column.distinct > max(NEARLY_UNIQUE * (column.rows - column.nulls), 20):
        return Use(column, "excluded", f"nearly unique text: {column.distinct:,} in {column.rows:,} rows")
    if column.kind == "text" and column.distinct > MANY_LEVELS:
        return Use(column, "excluded", f"{column.distinct:,} different texts, too many for categories")
    if column.kind == "integer" and column.unique and (_IDENTIFIER.search(column.clean) or _counts_up(column)):
        return Use(column, "excluded", "an identifier: a different number in each row")
    return Use(column, "input")


def _comparable(column: Column, roles: Roles) -> bool:
    return column is not roles.target and column.kind in ("boolean", "text", *NUMBERS) and column.distinct > 1


def _suspects(columns: Sequence[Column], roles: Roles) -> dict[str, str]:
    """Columns that predict the target suspiciously well, alone or in pairs."""
    target = _answers(roles)
    labelled = [values.is_not_null().to_numpy() for values in target]
    name, bound = ("r2" if roles.task == "regression" else "roc_auc"), Leakage().feature
    suspicions: dict[str, str] = {}
    for column in columns:
        scores = [_alone(name, column.sample, values, rows) for values, rows in zip(target, labelled, strict=True)]
        best = max((score for score in scores if not math.isnan(score)), default=math.nan)
        if best >= bound:
            suspicions[column.clean] = f"leak suspect: alone it predicts the target with {name} {best:.3f}"
    if roles.task == "regression":
        suspicions |= _sums([c for c in columns if c.kind in NUMBERS][:_SUMMED], target[0])
    return suspicions


def _answers(roles: Roles) -> list[pl.Series]:
    """The target as numbers, one column a class."""
    sample, target = roles.target.sample, roles.target
    if roles.task == "regression":
        return [sample.cast(pl.Float64)]
    categories = [roles.positive] if roles.task == "binary" else list(target.categories)
    return [(sample == category).cast(pl.Float64) for category in categories]


def _alone(name: str, values: pl.Series, target: pl.Series, labelled: npt.NDArray[np.bool_]) -> float:
    """What the mean target of each value's bin in every other row says about the rows between."""
    values, answers = values.filter(pl.Series(labelled)), target.drop_nulls()
    seen, asked = values.gather_every(2), values.gather_every(2, 1)
    learnt, actual = answers.gather_every(2).to_numpy(), answers.gather_every(2, 1).to_numpy()
    if len(actual) < 20 or (name == "roc_auc" and min(actual.sum(), len(actual) - actual.sum()) < 5):
        return math.nan
    return metric(name, actual, learned(seen, learnt, asked))


def _sums(columns: Sequence[Column], target: pl.Series) -> dict[str, str]:
    """Pairs of numbers whose sum or difference is the target."""
    wanted = target.to_numpy()
    numbers = {c.clean: c.sample.cast(pl.Float64).fill_null(np.nan).to_numpy() for c in columns}
    suspicions: dict[str, str] = {}
    for one, other in combinations(numbers, 2):
        for sign, combined in (("+", numbers[one] + numbers[other]), ("-", numbers[one] - numbers[other])):
            if np.allclose(combined, wanted, rtol=1e-9, atol=1e-9, equal_nan=True) and len({*wanted[:100]}) > 1:
                suspicion = f"leak suspect: {one} {sign} {other} is the target"
                suspicions[one] = suspicions[other] = suspicion
    return suspicions


def _counts_up(column: Column) -> bool:
    return bool(column.high - column.low + 1 == column.rows)
