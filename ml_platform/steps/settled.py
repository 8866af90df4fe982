"""Which partitions are settled: decided about, and the decision carried through to the champion (S6).

What they predicted, decided and trained stands, whatever is declared, corrected or installed later.
"""

from ml_platform.lake import ledger
from ml_platform.spec.canonical import content_key
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps import evidence, training
from ml_platform.steps.workspace import Workspace

_DATA = ("predictions", "drift", "decision")
_TRAIN = ("training_set", "candidate", "verdicts", "champion")
_Made = dict[str, ledger.Materialization]


def settled_steps(ws: Workspace, pipeline: ModelPipeline, partition: str) -> frozenset[str]:
    """The steps of the partition that stand. None for a pipeline without partitions: it decides anew each time.

    Features and performance never do: later trainings read the one, and the other follows labels that come late.
    A report stands until performance is measured anew.
    """
    made = _made(ws, pipeline, partition)
    if pipeline.partitions is None or not made.keys() >= set(_DATA) or _had_no_examples(made):
        return frozenset()
    trained = made.keys() & set(_TRAIN)
    if (trained or _fired(made)) and len(trained) < len(_TRAIN):
        return frozenset()
    standing = {*_DATA, *(_TRAIN if trained and _carried_through(ws, pipeline, partition, made) else ())}
    page, measured = made.get("report"), made.get("performance")
    if page is not None and (measured is None or measured.recorded_at <= page.recorded_at):
        standing.add("report")
    return frozenset(standing)


def outdated_training(ws: Workspace, pipeline: ModelPipeline, partition: str) -> str:
    """The mark of the settled training after the partition, where another would be made of it today; else empty."""
    with ws.lake.reading():
        if not settled_steps(ws, pipeline, partition).issuperset(_TRAIN):
            return ""
        made = _made(ws, pipeline, partition)
        for step, key in (("training_set", training.training_set_key), ("candidate", training.candidate_key)):
            if key(ws, pipeline, partition).content_key != made[step].content_key:
                return _mark(made)
    return ""


def _made(ws: Workspace, pipeline: ModelPipeline, partition: str) -> _Made:
    found: _Made = {}
    for step in (*_DATA, *_TRAIN, "performance", "report"):
        asset = f"{pipeline.name}/{step}"
        record = ledger.latest(ws.lake, asset).get((asset, partition))
        if record is not None:
            found[step] = record
    return found


def _had_no_examples(made: _Made) -> bool:
    """Its files had not come when it was decided: nothing was predicted that could stand."""
    return made["predictions"].rows == 0 and made["predictions"].details["metadata"]["champion"] != "none yet"


def _fired(made: _Made) -> bool:
    return made["decision"].details["metadata"]["outcome"] in ("fired", "forced")


def _carried_through(ws: Workspace, pipeline: ModelPipeline, partition: str, made: _Made) -> bool:
    """Whether the champion on record is what became of the decision on record. By content: a hit records nothing."""
    told = {step: made[step].details["metadata"] for step in ("decision", "candidate", "champion")}
    if not _fired(made):
        return not made["training_set"].output and told["champion"]["outcome"] == training.HELD_BACK
    blob = made["training_set"].output
    if not blob or told["candidate"].get("training set") != {"blob": blob}:
        return False
    if told["champion"].get("candidate") != told["candidate"]["version"]:
        return False
    request = evidence.forced(ws, pipeline, partition) if told["decision"]["outcome"] == "forced" else None
    return request is None or request.replaces != _mark(made)


def _mark(made: _Made) -> str:
    return content_key("training", made["training_set"].content_key, made["candidate"].content_key)
