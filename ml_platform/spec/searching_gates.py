"""Which declared gates constrain a search for parameters (S62)."""

from typing import TYPE_CHECKING, Any

from ml_platform.spec.canonical import canonical
from ml_platform.spec.composed_trainers import Calibrated, Choose, DeclaredTrainer
from ml_platform.spec.gates import AtLeast, AtMost, Gate, Latency, OverfitGap, Size
from ml_platform.spec.searched_trainers import AnySearched

if TYPE_CHECKING:
    from ml_platform.spec.pipeline import ModelPipeline

_CONSTRAINING = (AtLeast, AtMost, OverfitGap, Size, Latency)


def constraining(pipeline: "ModelPipeline") -> list[Gate]:
    """The gates that a trial must meet: blocking floors and ceilings, gaps to train, sizes and latencies."""
    return [gate for gate in pipeline.gates if isinstance(gate, _CONSTRAINING) and gate.severity == "block"]


def searched_in(trainer: DeclaredTrainer) -> list[AnySearched]:
    """The searched trainers in a declared one, in order.

    >>> from ml_platform import IntRange, LightGBM, Linear, Tuned
    >>> tuned = Tuned(LightGBM(), {"rounds": IntRange(10, 500)})
    >>> searched_in(Calibrated(Choose([tuned, Linear()]))) == [tuned]
    True
    """
    if isinstance(trainer, AnySearched):
        return [trainer]
    if isinstance(trainer, Choose):
        return [one for each in trainer.trainers for one in searched_in(each)]
    return searched_in(trainer.trainer) if isinstance(trainer, Calibrated) else []


def keyed_for_search(pipeline: "ModelPipeline") -> list[Any]:
    """What a candidate depends on besides its trainer where a search chooses it; empty without a search."""
    if not searched_in(pipeline.trainer):
        return []
    return [pipeline.headline, [canonical(gate) for gate in constraining(pipeline)], canonical(pipeline.split)]
