"""Which partitions are settled: decided about, and the decision carried through to the champion (S6).

What they predicted, decided and trained stands, whatever is declared, corrected or installed later.
"""

from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.canonical import content_key
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.steps import deciding, evidence, predictions, training

_DATA = ("predictions", "drift", "decision")
_TRAIN = ("training_set", "candidate", "verdicts", "champion")
_Made = dict[str, ledger.Materialization]


def settled_steps(ws: Workspace, pipeline: ModelPipeline, partition: str) -> frozenset[str]:
    """The steps of the partition that stand. None for a pipeline without partitions: it decides anew each time.

    Features and performance never do: later trainings read the one, and the other follows labels that come late.
    A report stands until performance is measured anew.
    """
    made = _made(ws, pipeline, partition)
    if pipeline.partitions is None or not made.keys() >= set(_DATA):
        return frozenset()
    if _had_no_examples(ws, pipeline, partition, made) or _out_of_order(ws, pipeline, partition, made):
        return frozenset()
    trained = made.keys() & set(_TRAIN)
    whole = len(trained) == len(_TRAIN)
    if (trained or _fired(made)) and not whole and _outcome(made) != "forced":
        return frozenset()  # a person forces what was held back and settled: its data stand
    standing = {*_DATA, *(_TRAIN if whole and _carried_through(ws, pipeline, partition, made) else ())}
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


def lacked_examples(ws: Workspace, pipeline: ModelPipeline, partition: str) -> bool:
    """Whether a champion was to score the partition and there was no example."""
    asset = f"{pipeline.name}/predictions"
    made = ledger.latest(ws.lake, asset).get((asset, partition))
    return made is not None and made.rows == 0 and _champion(made) != "none yet"


def _had_no_examples(ws: Workspace, pipeline: ModelPipeline, partition: str, made: _Made) -> bool:
    """Its files had not come when it was decided, and have now: nothing was predicted that could stand."""
    if not lacked_examples(ws, pipeline, partition):
        return False
    asset = f"validated/{pipeline.examples.table}"
    come = ledger.latest(ws.lake, asset).get((asset, partition))
    return come is not None and come.rows > 0


def _out_of_order(ws: Workspace, pipeline: ModelPipeline, partition: str, made: _Made) -> bool:
    """It was scored before anything was decided about the partition before, which changed its champion."""
    before = pipeline.partition_keys_upto(partition)[-2:-1]
    decided = deciding.first_taken(ws, pipeline).get(before[0]) if before else None
    if decided is None or decided <= made["predictions"].recorded_at:
        return False
    champion = predictions.serving(ws, pipeline, partition)
    return _champion(made["predictions"]) != (f"{pipeline.name}@{champion}" if champion else "none yet")


def _champion(predictions: ledger.Materialization) -> str:
    return str(predictions.details["metadata"]["champion"])


def _outcome(made: _Made) -> str:
    return str(made["decision"].details["metadata"]["outcome"])


def _fired(made: _Made) -> bool:
    return _outcome(made) in ("fired", "forced")


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
