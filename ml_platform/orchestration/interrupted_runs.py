"""A run at the terminal that Ctrl-C stops is canceled in Dagster's record, and not failed.

It relies on these private parts of Dagster 1.13, which `ml_platform_tests/cli/test_run.py` exercises: before
`execute_in_process` reports that a run failed, it asks the instance by `get_run_by_id` whether the run was to be
canceled; and `compute_log_manager.capture_logs` starts the processes that copy what steps print.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import dagster as dg
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from ml_platform import interrupts

_MESSAGE = "Ctrl-C at the terminal stopped this run. Its finished assets are kept."
_GOES_ON = {dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED}


@contextmanager
def canceled_by_ctrl_c(instance: dg.DagsterInstance, executed: str) -> Iterator[None]:
    """Report the run `executed` in the body as canceled if it ends after Ctrl-C arrived, unless it succeeded.

    Raises KeyboardInterrupt after Ctrl-C, whatever the body raised.
    """
    ask, log_manager = instance.get_run_by_id, instance.compute_log_manager
    capture = log_manager.capture_logs

    def ask_and_cancel(run_id: str) -> dg.DagsterRun | None:
        run = ask(run_id)
        if run is not None and run_id == executed and run.status in _GOES_ON and interrupts.arrived():
            instance.report_run_canceling(run, _MESSAGE)
            return ask(run_id)
        return run

    @contextmanager
    def capture_unheard(log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        with ExitStack() as stack:
            with interrupts.not_inherited():
                context = stack.enter_context(capture(log_key))
            yield context

    instance.get_run_by_id = ask_and_cancel  # type: ignore[method-assign]  # Dagster knows no Ctrl-C of a person
    log_manager.capture_logs = capture_unheard  # type: ignore[method-assign]  # it takes no option for its processes
    try:
        yield
    finally:
        del instance.get_run_by_id, log_manager.capture_logs
        if interrupts.arrived():
            run = ask(executed)
            if run is not None and run.status not in FINISHED_STATUSES:
                instance.report_run_canceled(run, _MESSAGE)
        interrupts.stop_if_arrived()
