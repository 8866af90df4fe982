"""Thresholds that apply while a model serves (S21, S29)."""

from pydantic import Field

from ml_platform.spec.vocabulary import word


@word
class Drift:
    """PSI thresholds against the champion's training data.

    Each threshold gives a warning and an alert. `weighted` bounds all columns together, in which one column counts at
    most its share; `important` bounds a single one. A column that only tells the time is left out of every rule. By
    convention a PSI above .25 is a large change (Siddiqi, Credit Risk Scorecards, 2006). On a year of flights the
    weighted PSI of a month is between .13 and .22, except for two months, .28 and .37, in which the delays themselves
    changed. "Some column is above .2" is true of every month, and an important one is not above .23 from March to May.

    Args:
        weighted: The mean PSI of the model's columns, each at most 1, weighted by importance; above 0, at most 1.
        score: The PSI of the scores against those on the holdout.
        important: The PSI of one important column: one with a tenth of the importance or more, and the most important.
        feature: A column above this PSI is called drifted, on the report and in the plot. It fails nothing.
        nulls: How far the share of nulls of a column that the model uses may move; above 0, at most 1.
        unseen: The share of rows whose category, in a column that the model uses, is not in its training data.
        min_rows: A partition with fewer rows is not judged: the noise of PSI, about 18 / rows, would decide.
        report_rows: How many rows of either side the report is drawn from, at most 50,000; 0 for no report.
        report_columns: How many columns the report shows, the most important first; at most 25.
        seed: Of the choice of the report's rows.

    Raises:
        DeclarationError: For a value out of range.

    >>> Drift(weighted=0.3).min_rows
    200
    """

    weighted: float = Field(default=0.25, gt=0, le=1)
    score: float = Field(default=0.25, gt=0)
    important: float = Field(default=0.5, gt=0)
    feature: float = Field(default=0.25, gt=0)
    nulls: float = Field(default=0.1, gt=0, le=1)
    unseen: float = Field(default=0.1, gt=0, le=1)
    min_rows: int = Field(default=200, ge=1)
    report_rows: int = Field(default=5_000, ge=0, le=50_000)
    report_columns: int = Field(default=12, ge=1, le=25)
    seed: int = 0
