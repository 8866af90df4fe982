"""The head of a report page: the platform's own verdict and figures, before charts that come from a sample."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_platform.escaping import html_text

_STYLE = """
.head { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; padding: 14px 20px; border-bottom: 1px solid #e3e8ee }
.head a { color: #2563eb }
.head h1 { font-size: 1.25rem; margin: .4rem 0 }
.head p, .head ul { margin: .4rem 0; max-width: 60rem }
.head ul { padding-left: 1.2rem }
.head .alarm { color: #b45309; font-weight: 600 }
.head dl { display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; margin: .6rem 0 }
.head dt { color: #6b7785; font-size: .85rem }
.head dd { margin: 0; font-variant-numeric: tabular-nums }
.head { overflow-wrap: anywhere }
@media (max-width: 44rem) {  /* Evidently's own pages are made for wide screens */
  body > div:not(.head) .MuiBox-root { padding-left: 4px; padding-right: 4px }
  .MuiGrid-direction-xs-column { flex-wrap: nowrap !important }
  .MuiGrid-root { min-width: 0; max-width: 100% }
  .MuiGrid-direction-xs-row { flex-wrap: wrap }
  .MuiCardContent-root { padding: 6px !important; overflow-x: auto }
  .MuiTypography-root { font-size: 1rem !important; line-height: 1.35 !important }
  .MuiTable-root { min-width: 0 !important }
  .MuiTableCell-root { padding: 4px !important; font-size: .75rem !important }
}
"""


@dataclass(frozen=True)
class Figure:
    """A figure of all rows; `bound` is what it may be at most, empty without one."""

    name: str
    value: str
    bound: str = ""

    @property
    def in_words(self) -> str:
        """The value with its bound."""
        return f"{self.value} (at most {self.bound})" if self.bound else self.value


def heading(
    pipeline: str,
    partition: str,
    champion: str,
    alarms: Sequence[str],
    passed: Sequence[str],
    figures: Sequence[Figure],
    sample: str,
) -> str:
    """The head as HTML, with its style.

    Args:
        pipeline: A name.
        partition: The partition that was scored.
        champion: The version that scored it, as pipeline@version.
        alarms: A sentence for every drift check that failed.
        passed: A sentence for every other drift check.
        figures: Of all rows.
        sample: A sentence that says what the charts are drawn from.
    """
    verdict = '<p class="alarm">Alarm</p>' if alarms else "<p><b>No alarm</b></p>"
    sentences = "".join(
        [f'<li class="alarm">{html_text(one)}</li>' for one in alarms]
        + [f"<li>{html_text(one)}</li>" for one in passed]
    )
    listed = "".join(f"<div><dt>{html_text(one.name)}</dt><dd>{html_text(one.in_words)}</dd></div>" for one in figures)
    return (
        f'<style>{_STYLE}</style><div class="head"><a href="../index.html">All reports</a>'
        f"<h1>{html_text(pipeline)} {html_text(partition)}, scored by {html_text(champion)}</h1>"
        f"{verdict}<ul>{sentences}</ul><dl>{listed}</dl>"
        f"<p>The verdict and these figures are of all rows, and they decide. {html_text(sample)}</p></div>"
    )


def sample_in_words(drawn: int, rows: int, unlabelled: int, reference: int, reference_rows: int) -> str:
    """What charts are drawn from, in a sentence.

    Args:
        drawn: Rows of the partition that are drawn.
        rows: Rows of the partition.
        unlabelled: Rows that were chosen and left out for lack of a label.
        reference: Rows of the training data that are drawn.
        reference_rows: Rows of the training data.

    >>> sample_in_words(5_000, 27_004, 0, 5_000, 92_627)
    'Charts from a seeded sample of 5,000 of 27,004 rows, beside 5,000 of 92,627 rows of the training data.'
    >>> sample_in_words(390, 400, 10, 300, 300)
    'Charts from 390 of 400 rows, beside all 300 rows of the training data; 10 rows without a label yet are left out.'
    """
    whole = drawn + unlabelled >= rows
    current = "all" if drawn == rows else f"{drawn:,} of" if whole else f"a seeded sample of {drawn:,} of"
    before = "all" if reference >= reference_rows else f"{reference:,} of"
    left_out = f"; {unlabelled:,} rows without a label yet are left out" if unlabelled else ""
    return (
        f"Charts from {current} {rows:,} rows, beside {before} {reference_rows:,} rows of the training data{left_out}."
    )
