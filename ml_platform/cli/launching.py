"""Launches the runs of a pipeline through Dagster, with progress on the terminal."""

import os
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.cli.notes import tell_outdated, tell_strays
from ml_platform.cli.output import alarm, errors, note, was_alarmed
from ml_platform.errors import PlatformError
from ml_platform.naming import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ml_platform.runtime.planner import Planner, Work
    from ml_platform.settings import Settings
    from ml_platform.spec.declarations import Declarations
    from ml_platform.spec.pipeline import ModelPipeline
    from ml_platform.views.run_result import Ended


def check_dagster() -> None:
    """Check that Dagster is installed and has a home: DAGSTER_HOME, or `.dagster` in the working directory."""
    if find_spec("dagster") is None:
        raise PlatformError(
            "Dagster is not installed, and runs need it.",
            remedy="`pip install 'ml_platform[dagster]'`, or `make install`.",
        )
    from ml_platform.views.machine_health import DAGSTER_HOME_REMEDY, dagster_home

    home = os.environ["DAGSTER_HOME"] = dagster_home()
    if not home or not Path(home).is_absolute() or not Path(home).is_dir():
        raise PlatformError(
            f"DAGSTER_HOME is {home}, which is not an existing absolute folder."
            if home
            else "DAGSTER_HOME is not set, and Dagster stores its run history there.",
            remedy=DAGSTER_HOME_REMEDY,
        )


def run_to_its_end(
    pipeline: "ModelPipeline",
    settings: "Settings",
    through: str | None,
    only: str | None,
    *,
    recompute: bool,
    quiet: bool,
    alarms: list[str],
    raises: bool,
) -> "Ended":
    """As `run_pipeline`; how it ended. Raises what ended it if `raises` is set, and returns it otherwise."""
    from ml_platform import interrupts
    from ml_platform.lake.known_files import one_look
    from ml_platform.views.run_result import Ended

    started, launches = time.perf_counter(), list[str]()
    error: PlatformError | KeyboardInterrupt | None = None
    try:
        with one_look():  # from the opening on
            run_pipeline(
                pipeline, settings, through, only, recompute=recompute, quiet=quiet, alarms=alarms, launches=launches
            )
    except (PlatformError, KeyboardInterrupt) as ended_by:
        if raises:
            raise
        # after Ctrl-C whatever failed is its doing
        error = KeyboardInterrupt() if interrupts.arrived() else ended_by
    return Ended(len(launches), time.perf_counter() - started, error)


def run_pipeline(
    pipeline: "ModelPipeline",
    settings: "Settings",
    through: str | None,
    only: str | None,
    *,
    recompute: bool = False,
    quiet: bool = False,
    alarms: list[str] | None = None,
    launches: list[str] | None = None,
) -> int:
    """Run stale assets with progress on the terminal. Returns the number of Dagster runs launched.

    Waits for the end of a run that somebody else began of the same assets, and then plans anew.
    `alarms` gets the lines of the alerts that were printed, `launches` the id of each run that ended well.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from ml_platform.discovery import declarations
    from ml_platform.orchestration.alive import at_the_terminal
    from ml_platform.orchestration.workspaces import workspace_for
    from ml_platform.runtime.ranges import divided
    from ml_platform.state.publishing import publish_again
    from ml_platform.steps.all_steps import planner as planner_of

    printed = alarms if alarms is not None else []

    def tell(line: str) -> None:
        alarm(line)
        printed.append(line)

    planner = planner_of(workspace_for(settings), pipeline, recompute=recompute)
    started, launched, published = time.perf_counter(), 0, 0
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    live = errors.is_terminal and not quiet
    with (
        ExitStack() as opened,
        at_the_terminal(settings, pipeline.name),
        Progress(*columns, console=errors, transient=True, disable=not live) as progress,
    ):
        task = progress.add_task("looking for stale assets", total=None)
        runner = None

        def shown(works: "Iterable[Work]") -> "Iterator[Work]":
            for wanted in works:
                progress.update(task, total=wanted.total, completed=wanted.index, description=wanted.title)
                if not live and not quiet:
                    note(wanted.title)
                yield wanted

        def waits(active: str) -> None:
            note(f"Waiting for another run of the same assets: {active} Ctrl-C ends this command and not that run.")
            progress.update(task, description="waiting for another run")

        def stage(text: str) -> None:
            progress.update(task, description=f"{pipeline.name}: {text}")
            if not live and not quiet:
                note(f"{pipeline.name}: {text}")

        waited = True
        while waited:
            waited = False
            for run in divided(pipeline, shown(planner.work(through, only))):
                if runner is None:
                    from ml_platform.orchestration.runner import Runner

                    runner = opened.enter_context(
                        Runner(
                            pipeline,
                            settings,
                            lambda asset, partition: progress.update(
                                task, description=f"{asset} {'' if partition == 'all' else partition}"
                            ),
                            on_alert=tell,
                            on_stage=stage,
                        )
                    )
                waited = runner.waited_for_others(waits)
                if waited:
                    break  # the other run may have made what was planned
                ended = runner.run_all(run)
                launched += 1
                if launches is not None:
                    launches.append(ended.run_id)
        if not launched:  # a Dagster run does it at its end
            published = publish_again(planner.ws)
    if only is None and (through is None or planner.complete()[-1:] <= [through]):
        planner.keep_settled()
    if not quiet:
        took = time.perf_counter() - started
        with planner.ws.reading():  # one look at everything
            _tell_end(planner, declarations(settings), launched, published, took, printed)
    return launched


def _tell_end(
    planner: "Planner", declared: "Declarations", launched: int, published: int, seconds: float, alarms: list[str]
) -> None:
    """Print how many runs there were, how many lost rows were published again, and what the alerts did not say."""
    looks = planner.pending()
    if launched:
        note(f"{counted(launched, 'Dagster run')} in {seconds:.1f} s.")
    elif any(look.unavailable for look in looks) or not planner.complete():
        note(f"Nothing was launched ({seconds:.1f} s).")
    else:
        note(f"Everything is up to date; nothing was launched ({seconds:.1f} s).")
    if published:
        note(f"Lost rows of lineage and registry were written again: {counted(published, 'row')}.")
    awaited = dict.fromkeys(planner.awaited())
    for sentence in awaited:
        note(sentence)
    if planner.unlearnt():
        tell_outdated(planner)
    for sentence in dict.fromkeys(sentence for look in looks for sentence in [*look.problems, *look.remarks]):
        if not was_alarmed(sentence.removeprefix("Refused: "), alarms):
            note(sentence)
    tell_strays(planner.ws.settings, declared)
