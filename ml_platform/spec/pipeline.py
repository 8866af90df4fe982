"""A model pipeline: the one declaration that everything else is derived from."""

from functools import cached_property
from graphlib import CycleError, TopologicalSorter

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.naming import RESERVED, check_identifier
from ml_platform.spec import checking
from ml_platform.spec.column_names import folded
from ml_platform.spec.column_types import for_model
from ml_platform.spec.composed_trainers import DeclaredTrainer
from ml_platform.spec.declared_transform import check_transforms
from ml_platform.spec.examples import Examples, Label
from ml_platform.spec.expression_types import type_of
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import Feature, JoinedFeature, joined_features
from ml_platform.spec.gates import Gate, with_always_judged
from ml_platform.spec.monitoring import Drift
from ml_platform.spec.partitions import WHOLE, Daily, Hourly, Monthly, Partitions, Weekly
from ml_platform.spec.selection import Select, Selected
from ml_platform.spec.tables import Table
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import Retrain, Split
from ml_platform.spec.transformed import Transformed
from ml_platform.spec.transforms import Transform
from ml_platform.spec.vocabulary import Several, word

_HEADLINES: dict[Task, str] = {"binary": "roc_auc", "multiclass": "macro_f1", "regression": "rmse"}


@word
class ModelPipeline:
    """A use case: its tables, examples, features, trainer, gates and retraining.

    Everything that can be checked without data is checked here: unknown columns and metrics, features that read
    outcomes, cycles and name clashes.

    Args:
        name: An identifier, unique among the pipelines.
        tables: The tables that it reads.
        examples: What is predicted.
        features: What is computed for each example, besides its inputs.
        trainer: `LightGBM(…)`, `XGBoost(…)`, `Linear(…)` or `ScikitLearn(…)`, `Choose([…])` of
            several, or `Calibrated(…)` of any.
        gates: The rules that a candidate must pass. Leakage, Parity and Reproduction are always judged.
        split: The training, validation and holdout parts.
        retrain: When to train again.
        drift: The thresholds of drift.
        partitions: The time partitions of the examples; None: no partitions.
        owners: "team:name" or e-mail addresses.
        description: For readers.
        purpose: What the model is for, and what for it is not: a sentence for the model card.
        limits: What its users must know of, a sentence each, for the model card.
        segments: Inputs or features whose values the model card compares with each other, besides those of `by=` of a
            gate.
        transforms: What the model's columns become before the trainer sees them, one after the other; fitted on the
            training part (S60).
        select: Which of the columns behind the transforms the trainer may see (S61); None: all.

    Raises:
        DeclarationError: With the culprit and the remedy.

    >>> import dataframely as dy
    >>> from ml_platform.spec.sources import Files
    >>> from ml_platform.spec.training import LightGBM
    >>> class Flights(dy.Schema):
    ...     flight = dy.Int64(primary_key=True)
    ...     carrier = dy.String()
    ...     delay = dy.Float64()
    >>> pipeline = ModelPipeline(
    ...     "delays",
    ...     tables=[Table("flights", Files("flights/*.csv"), Flights)],
    ...     examples=Examples("flights", "flight", ["carrier"], label=pl.col("delay") > 15),
    ...     features=[],
    ...     trainer=LightGBM(),
    ...     split=Split(validation=0.1, holdout=0.2),
    ... )
    >>> pipeline.task, pipeline.headline, list(pipeline.model_columns)
    ('binary', 'roc_auc', ['carrier'])
    """

    name: str
    tables: Several[Table]
    examples: Examples
    features: Several[Feature]
    trainer: DeclaredTrainer
    gates: Several[Gate] = ()
    split: Split = Split()
    retrain: Retrain = Retrain()
    drift: Drift = Drift()
    partitions: Monthly | Weekly | Daily | Hourly | None = None
    owners: Several[str] = ()
    description: str = ""
    purpose: str = ""
    limits: Several[str] = ()
    segments: Several[str] = ()
    transforms: Several[Transform] = ()
    select: Select | None = None

    def __post_init__(self) -> None:
        where = f"ModelPipeline({self.name!r})"
        check_identifier(self.name, where)
        if self.name in RESERVED:
            raise DeclarationError(where, "the name is reserved for the platform", remedy="Choose another.")
        for owner in self.owners:
            if not owner.startswith("team:") and "@" not in owner:
                raise DeclarationError(where, f"owner {owner!r}", remedy='Write "team:name" or an e-mail address.')
        checking.check_tables(self, where)
        checking.check_examples(self, f"{where}.examples")
        _ = self.feature_schema  # checks every feature
        self.trainer.check(self.task, f"{where}.trainer")
        check_transforms(self.transforms, self.model_columns, self.task, f"{where}.transforms")
        checking.check_gates(self, where)
        checking.check_segments(self, where)
        checking.check_retrain(self, where)

    # -- what others ask -----------------------------------------------------------------

    @property
    def unkeyed(self) -> frozenset[str]:
        """Fields that no content key of the pipeline holds: what is not declared is as if there were no word (S60)."""
        return frozenset(name for name in ("transforms", "select") if not getattr(self, name))

    @property
    def learner(self) -> DeclaredTrainer | Selected | Transformed:
        """What is fitted on the model's columns: the trainer, behind transforms and selection where there are any."""
        trainer = Selected(self.trainer, self.select) if self.select else self.trainer
        if not self.transforms:
            return trainer
        at = self.examples.at if self.split.timed else None
        return Transformed(trainer, self.transforms, at=at, group=self.split.group, seed=self.split.seed)

    def table(self, name: str) -> Table:
        """The table declared under `name`. Raises DeclarationError when there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise DeclarationError(
            f"ModelPipeline({self.name!r})",
            f"there is no table {name!r}",
            remedy=f"Declared: {', '.join(t.name for t in self.tables)}.",
        )

    def partition_keys(self, through: str | None = None) -> list[str]:
        """The partitions in order; `["all"]` for a pipeline without partitions."""
        return self.partitions.keys(through) if self.partitions else [WHOLE]

    def partition_keys_upto(self, partition: str) -> list[str]:
        """The partitions from the first to this one (inclusive)."""
        return self.partition_keys(partition)

    def partition_before(self, partition: str) -> str | None:
        """The partition just before this one; None for the first, and without partitions."""
        return self.partitions.before(partition) if self.partitions else None

    @property
    def slices(self) -> dict[str, Partitions | None]:
        """The partitions of each of its tables; None for a table without event time, which has none."""
        return {table.name: self.partitions if table.event_time else None for table in self.tables}

    @property
    def label_table(self) -> str:
        """The name of the table in which the labels are."""
        label = self.examples.label
        return label.table if isinstance(label, Label) else self.examples.table

    @property
    def all_gates(self) -> tuple[Gate, ...]:
        """The declared gates and those that are always judged."""
        return with_always_judged(self.gates)

    @property
    def required_gates(self) -> dict[str, str]:
        """The key of every gate that a version must pass → its phrase. Gates that only warn are left out."""
        return {gate.key: gate.phrase for gate in self.all_gates if gate.severity == "block"}

    @property
    def compared_columns(self) -> tuple[str, ...]:
        """The columns whose values are segments: those of gates, and `segments`."""
        return tuple(dict.fromkeys([*(gate.sliced_by for gate in self.gates if gate.sliced_by), *self.segments]))

    @property
    def headline(self) -> str:
        """The metric that represents the pipeline: that of its first gate, else the usual one of its task."""
        metrics = (gate.judged_metric for gate in self.gates)
        return next((metric for metric in metrics if metric), _HEADLINES[self.task])

    @cached_property
    def task(self) -> Task:
        """binary for a Boolean label, multiclass for a text, regression for a number."""
        dtype = self.label_type
        if dtype == pl.Boolean:
            return "binary"
        if dtype == pl.String:
            return "multiclass"
        if dtype.is_numeric():
            return "regression"
        raise DeclarationError(
            f"ModelPipeline({self.name!r}).examples", f"the label is {dtype}", remedy="Boolean, String or a number."
        )

    @cached_property
    def label_type(self) -> pl.DataType:
        """The polars type of the label."""
        label, columns = self.examples.label, self.table(self.label_table).stored_columns
        expression = label.value if isinstance(label, Label) else self.examples.label_expression
        if expression is None:
            return pl.Boolean()  # a row there means true
        return type_of(expression, columns, f"ModelPipeline({self.name!r}).examples.label")

    @cached_property
    def row_schema(self) -> dict[str, pl.DataType]:
        """The example's own columns that a feature may read: keys, `at`, inputs."""
        columns, examples = self.table(self.examples.table).stored_columns, self.examples
        names = [*examples.keys, *([examples.at] if examples.at else []), *examples.inputs]
        return {name: columns[name] for name in dict.fromkeys(names)}

    @cached_property
    def feature_schema(self) -> dict[str, pl.DataType]:
        """Every feature output with its polars type, in declaration order (inputs not included)."""
        schema: dict[str, pl.DataType] = {}
        taken = {folded(name): "an input" for name in self.row_schema}
        types = {**self.row_schema}
        for where, outputs in checking.joined_outputs(self):
            for name, dtype in outputs.items():
                checking.claim(name, where, taken)
                schema[name] = types[name] = dtype
        for name, expression in self.derived:
            checking.claim(name, f"Derived({name}=…)", taken)
            schema[name] = types[name] = type_of(expression, types, f"Derived({name}=…)")
        for feature in self.joined:
            checking.check_join(self, feature, types)
        checking.check_statuses(self, types)
        checking.check_types(self, schema, f"ModelPipeline({self.name!r})")
        return {name: schema[name] for feature in self.features for name in feature.outputs}

    @cached_property
    def model_columns(self) -> dict[str, pl.DataType]:
        """The columns that the model sees: inputs that are not excluded, then features; no times (S7)."""
        columns = {
            n: t for n, t in self.row_schema.items() if n in self.examples.inputs and n not in self.examples.exclude
        }
        columns.update(self.feature_schema)
        return {n: t for n, t in columns.items() if for_model(t)}

    @cached_property
    def unseen_columns(self) -> tuple[str, ...]:
        """Inputs and features that no model sees although nothing excludes them: dates and times (S7)."""
        shown = {*self.model_columns, *self.examples.identity, *self.examples.exclude}
        return tuple(name for name in (*self.examples.inputs, *self.feature_schema) if name not in shown)

    @cached_property
    def joined(self) -> tuple[JoinedFeature, ...]:
        """The features that read a table, in order."""
        return joined_features(self.features)

    @cached_property
    def derived(self) -> tuple[tuple[str, pl.Expr], ...]:
        """Derived expressions, each after those that it reads. Raises DeclarationError on a cycle or clash."""
        expressions: dict[str, pl.Expr] = {}
        taken: dict[str, str] = {}
        for feature in self.features:
            for name, expression in feature.expressions.items():
                checking.claim(name, f"Derived({name}=…)", taken)
                expressions[name] = expression
        reads = {
            n: columns_read(to_portable(e, f"Derived({n}=…)")) & expressions.keys() for n, e in expressions.items()
        }
        try:
            order = list(TopologicalSorter(reads).static_order())
        except CycleError as error:
            raise DeclarationError(
                "Derived", f"a cycle: {' → '.join(error.args[1])}", remedy="Break it: a feature cannot need itself."
            ) from None
        return tuple((name, expressions[name]) for name in order)

    @cached_property
    def early_derived(self) -> frozenset[str]:
        """Derived features that read inputs only. They are computed before the joins and may be join keys."""
        early: set[str] = set()
        for name, expression in self.derived:
            if columns_read(to_portable(expression, name)) <= self.row_schema.keys() | early:
                early.add(name)
        return frozenset(early)
