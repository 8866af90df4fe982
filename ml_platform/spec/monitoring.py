"""What is watched once a model serves (S21, S29)."""

from pydantic import Field

from ml_platform.spec.vocabulary import word


@word
class Drift:
    """When a partition has drifted from what its champion learnt from; `weighted` decides, the others are named.

    weighted: mean PSI of the model's columns, each at most 1, weighted by importance. On a year of flights the
              months lie between .13 and .22 but for two, .28 and .37, in which delays themselves changed;
              "some column above .2" holds in every month.
    score:    PSI of the scores against those on the holdout.
    feature:  a column above this PSI is called drifted; none fails anything alone.
    nulls:    by how much the null share of a column may move that the model uses.
    min_rows: with fewer the noise of PSI, about 18 / rows, is no evidence, and nothing is judged.

    .25 is where PSI by convention says "much moved" (Siddiqi, Credit Risk Scorecards, 2006). The report is drawn
    from `report_rows` rows of either side, chosen by `seed`, and the `report_columns` that matter most; with 0
    rows there is none.
    """

    weighted: float = Field(default=0.25, gt=0, le=1)
    score: float = Field(default=0.25, gt=0)
    feature: float = Field(default=0.25, gt=0)
    nulls: float = Field(default=0.1, gt=0, le=1)
    min_rows: int = Field(default=200, ge=1)
    report_rows: int = Field(default=5_000, ge=0, le=50_000)
    report_columns: int = Field(default=12, ge=1, le=25)
    seed: int = 0
