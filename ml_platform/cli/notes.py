"""Notes on standard error beside the tables of `run` and `status`: what is left out, outdated, awaited or stray."""

from typing import TYPE_CHECKING

from ml_platform.cli.output import note
from ml_platform.naming import counted, listed

if TYPE_CHECKING:
    from ml_platform.runtime.planner import Planner
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.spec.declarations import Declarations
    from ml_platform.spec.pipeline import ModelPipeline


def tell_earlier(workspace: "Workspace", pipeline: "ModelPipeline") -> None:
    """Print a note where `SHOWN` leaves earlier partitions out."""
    from ml_platform.views.status import SHOWN, ran

    earlier = len(ran(workspace, pipeline)) - SHOWN
    if earlier > 0:
        note(f"{counted(earlier, 'earlier partition')}: `ml-platform status {pipeline.name} --all`.")


def tell_outdated(planner: "Planner") -> None:
    """Print a note if settled partitions keep results from before a change, with the commands to update them."""
    outdated, name = planner.outdated(), planner.pipeline.name
    if outdated:
        which = (
            f"{len(outdated)} settled partitions keep" if len(outdated) > 1 else f"{outdated[0]} is settled and keeps"
        )
        note(
            f"{which} predictions, decisions and models from before a change. `ml-platform retrain {name}` trains "
            f"with the change, `ml-platform run {name} --recompute` recomputes the past with it."
        )


def tell_lost(planner: "Planner") -> None:
    """Print a note if stored outputs are missing or damaged: which, and how each is mended."""
    from ml_platform.runtime.lost_outputs import lost_outputs

    lost, name = lost_outputs(planner), planner.pipeline.name
    for again, remedy in (
        (True, f"`ml-platform run {name}` makes {{}} again."),
        (
            False,
            "No run makes {} again, because its key changed or the partition is settled: `ml-platform restore FOLDER`, "
            f"or `ml-platform run {name} --recompute` makes new ones.",
        ),
    ):
        of_kind = [one.words for one in lost if one.made_again is again]
        if of_kind:
            are = counted(len(of_kind), "stored output is", "stored outputs are")
            them = "it" if len(of_kind) == 1 else "them"
            note(f"{are} missing or damaged: {listed(of_kind, 6)}. {remedy.format(them)}")


def tell_waiting(workspace: "Workspace", pipeline: "ModelPipeline") -> None:
    """Print what a pipeline waits for, what its sources have, and what was refused."""
    from ml_platform.monitoring.waiting import waiting as waiting_for
    from ml_platform.sources.scan import refused, unavailable_message
    from ml_platform.steps.all_steps import planner as planner_of

    planner = planner_of(workspace, pipeline)
    tell_lost(planner)
    tell_outdated(planner)

    looks = planner.pending()
    waiting = sum(len(look.paths) for look in looks)
    if waiting:
        how_many = counted(waiting, "file waits", "files wait")
        note(f"{how_many}: `ml-platform run {pipeline.name}` ingests {'it' if waiting == 1 else 'them'}.")
    if waits := waiting_for(workspace, pipeline, workspace.slices):
        note(waits.sentences)
    for table, look in zip(pipeline.tables, looks, strict=True):
        if look.unavailable is not None:
            note(unavailable_message(table.name, look.unavailable))
        for sentence in [*look.departures, *look.remarks]:
            note(sentence)
        for file in refused(workspace.state, table, look):
            note(f"Refused: {file.error}")


def tell_strays(settings: "Settings", declared: "Declarations") -> None:
    """Print a note for what lies in the landing folder and is read by no table, or by two."""
    from ml_platform.sources.landed import sentences, strays

    if declared.broken:
        return  # which files are nobody's is known only when every declaration loads
    tables = [table for one in declared.pipelines.values() for table in one.tables]
    for sentence in sentences(strays(settings, tables)):
        note(sentence)
