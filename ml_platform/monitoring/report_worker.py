"""The process that draws reports: one for as long as this process lives, because Evidently takes seconds to load."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ml_platform.child_process import Cancellation, ChildEnded, ChildProcess
from ml_platform.errors import ReportError

START = 120.0  # seconds until it is ready; measured 4 to 6 on a quiet machine
LIMIT = 60.0  # seconds for one report; measured 2
_MODULE = "ml_platform.monitoring.evidently_report"
_SAMPLE = "The figures are in the drift table; Drift(report_columns=…) draws fewer columns."


class ReportWorker(ChildProcess):
    """The process and the way to ask it for a page. When it dies, the next page starts another."""

    def __init__(self, *, module: str = _MODULE, start: float = START, limit: float = LIMIT) -> None:
        super().__init__(module, start_limit=start, answer_limit=limit)

    def ask(self, question: Mapping[str, Any], cancellation: Cancellation | None = None) -> dict[str, Any]:
        """What `evidently_report.rendered` answers. Raises ReportError when it fails, dies or takes too long."""
        try:
            answer = super().ask(question, cancellation)
        except ChildEnded as ended:
            last = f" Its last words: {ended.last_line}" if ended.last_line else ""
            raise ReportError(
                f"The process that draws reports {ended.how}.{last}", remedy="The next run tries again."
            ) from None
        if "error" in answer:
            raise ReportError(f"Evidently could not draw the report: {answer['error']}.", remedy=_SAMPLE)
        return answer


@lru_cache(maxsize=1)
def worker() -> ReportWorker:
    """The one of this process."""
    return ReportWorker()
