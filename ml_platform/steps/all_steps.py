"""The list of all steps, upstream first. A new step is a new module and one line here."""

from ml_platform.runtime.planner import Planner
from ml_platform.runtime.step import Step
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps.candidate import CandidateStep
from ml_platform.steps.champion import ChampionStep
from ml_platform.steps.decision import DecisionStep
from ml_platform.steps.drift import DriftStep
from ml_platform.steps.features import FeaturesStep
from ml_platform.steps.performance import PerformanceStep
from ml_platform.steps.predictions import PredictionsStep
from ml_platform.steps.report import ReportStep
from ml_platform.steps.training_set import TrainingSetStep
from ml_platform.steps.verdicts import VerdictsStep

STEPS: tuple[Step, ...] = (
    FeaturesStep(),
    PredictionsStep(),
    PerformanceStep(),
    DriftStep(),
    ReportStep(),
    DecisionStep(),
    TrainingSetStep(),
    CandidateStep(),
    VerdictsStep(),
    ChampionStep(),
)


def step_named(name: str) -> Step:
    """The step of that name. Raises KeyError for a name that no step has."""
    return {step.name: step for step in STEPS}[name]


def planner(ws: Workspace, pipeline: ModelPipeline, *, recompute: bool = False) -> Planner:
    """A planner over these steps."""
    return Planner(ws, pipeline, STEPS, recompute=recompute)
