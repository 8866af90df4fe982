"""A model pipeline: the one declaration from which everything else is derived."""

from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.naming import RESERVED, check_identifier
from ml_platform.spec.canonical import canonical
from ml_platform.spec.examples import Examples, Label
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import Derived, Feature, Latest, Lookup, Since, Window, join_keys
from ml_platform.spec.gates import (
    METRICS,
    AtLeast,
    AtMost,
    Gate,
    Leakage,
    NoWorseThanChampion,
    OverfitGap,
    Parity,
    Reproduction,
)
from ml_platform.spec.partitions import WHOLE, Monthly
from ml_platform.spec.tables import Table
from ml_platform.spec.training import LightGBM, Retrain, Split
from ml_platform.spec.vocabulary import Several, word

Task = Literal["binary", "multiclass", "regression"]
_ALWAYS: tuple[type, ...] = (Leakage, Parity, Reproduction)


@word
class ModelPipeline:
    """A use case: its tables, examples, features, trainer, gates and retraining.

    Everything that can be judged without data is judged here: unknown columns and metrics, features
    that read outcomes, cycles and clashes raise DeclarationError with the culprit and the remedy.
    """

    name: str
    tables: Several[Table]
    examples: Examples
    features: Several[Feature]
    trainer: LightGBM
    gates: Several[Gate] = ()
    split: Split = Split()
    retrain: Retrain = Retrain()
    partitions: Monthly | None = None
    owners: Several[str] = ()
    description: str = ""

    def __post_init__(self) -> None:
        where = f"ModelPipeline({self.name!r})"
        check_identifier(self.name, where)
        if self.name in RESERVED:
            raise DeclarationError(where, "the name is the platform's own", remedy="Choose another.")
        for owner in self.owners:
            if not owner.startswith("team:") and "@" not in owner:
                raise DeclarationError(where, f"owner {owner!r}", remedy='Write "team:name" or an e-mail address.')
        self._check_tables(where)
        self._check_examples(f"{where}.examples")
        _ = self.feature_schema  # checks every feature
        self._check_gates(where)

    # -- what others ask -----------------------------------------------------------------

    def table(self, name: str) -> Table:
        """The table declared under `name`; DeclarationError when there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise DeclarationError(f"ModelPipeline({self.name!r})", f"there is no table {name!r}",
                               remedy=f"Declared: {', '.join(t.name for t in self.tables)}.")  # fmt: skip

    def partition_keys(self, through: str | None = None) -> list[str]:
        """The partitions in order; `["all"]` for a pipeline without."""
        return self.partitions.keys(through) if self.partitions else [WHOLE]

    def partition_keys_upto(self, partition: str) -> list[str]:
        """The partitions from the first to this one, inclusive."""
        return self.partition_keys(partition)

    @property
    def all_gates(self) -> tuple[Gate, ...]:
        """The declared gates and those that are always judged."""
        missing = [kind() for kind in _ALWAYS if not any(isinstance(g, kind) for g in self.gates)]
        return (*self.gates, *missing)

    @cached_property
    def task(self) -> Task:
        """What the label's type asks for: Boolean binary, String multiclass, numbers regression."""
        dtype = self.label_type
        if dtype == pl.Boolean:
            return "binary"
        if dtype == pl.String or isinstance(dtype, pl.Enum | pl.Categorical):
            return "multiclass"
        if dtype.is_numeric():
            return "regression"
        raise DeclarationError(f"ModelPipeline({self.name!r}).examples", f"the label is {dtype}",
                               remedy="Boolean, String or a number.")  # fmt: skip

    @cached_property
    def label_type(self) -> pl.DataType:
        """The polars type of the label."""
        examples = self.examples
        if isinstance(examples.label, Label):
            table, expression = self.table(examples.label.table), examples.label.value
        else:
            table, expression = self.table(examples.table), examples.label_expression
        if expression is None:
            return pl.Boolean()  # a row there means true
        return _type_of(expression, table.columns, f"ModelPipeline({self.name!r}).examples.label")

    @cached_property
    def row_schema(self) -> dict[str, pl.DataType]:
        """The example's own columns that a feature may read: keys, `at`, inputs."""
        columns, examples = self.table(self.examples.table).columns, self.examples
        names = [*examples.keys, *([examples.at] if examples.at else []), *examples.inputs]
        return {name: columns[name] for name in dict.fromkeys(names)}

    @cached_property
    def feature_schema(self) -> dict[str, pl.DataType]:
        """Every feature output with its polars type, in declaration order (inputs not included)."""
        schema: dict[str, pl.DataType] = {}
        taken = dict.fromkeys(self.row_schema, "an input")
        types = {**self.row_schema}
        for where, outputs in self._joined_outputs():
            for name, dtype in outputs.items():
                _claim(name, where, taken)
                schema[name] = types[name] = dtype
        for name, expression in self.derived:
            _claim(name, f"Derived({name}=…)", taken)
            schema[name] = types[name] = _type_of(expression, types, f"Derived({name}=…)")
        for feature in self.features:
            self._check_join(feature, types)
        self._check_statuses(types)
        declared = [name for f in self.features for name in (f.expressions if isinstance(f, Derived) else f.outputs)]
        return {name: schema[name] for name in declared}

    @cached_property
    def model_columns(self) -> dict[str, pl.DataType]:
        """What the model sees: inputs that are not excluded, then features; no times (S7)."""
        columns = {n: t for n, t in self.row_schema.items()
                   if n in self.examples.inputs and n not in self.examples.exclude}  # fmt: skip
        columns.update(self.feature_schema)
        return {n: t for n, t in columns.items() if t.is_numeric() or t in (pl.Boolean, pl.String)}

    @cached_property
    def derived(self) -> tuple[tuple[str, pl.Expr], ...]:
        """Derived expressions, each after those it reads. DeclarationError on a cycle or clash."""
        found: dict[str, pl.Expr] = {}
        for feature in self.features:
            if isinstance(feature, Derived):
                for name, expression in feature.expressions.items():
                    _claim(name, f"Derived({name}=…)", dict.fromkeys(found, "another Derived"))
                    found[name] = expression
        reads = {n: columns_read(to_portable(e, f"Derived({n}=…)")) & found.keys() for n, e in found.items()}
        try:
            order = list(TopologicalSorter(reads).static_order())
        except CycleError as error:
            raise DeclarationError("Derived", f"a cycle: {' → '.join(error.args[1])}",
                                   remedy="Break it: a feature cannot need itself.") from None  # fmt: skip
        return tuple((name, found[name]) for name in order)

    # -- checks ---------------------------------------------------------------------------

    def _check_tables(self, where: str) -> None:
        names = [table.name for table in self.tables]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DeclarationError(where, f"tables declared twice: {', '.join(twice)}", remedy="Name each once.")
        needs = {table.name: set(table.needs) for table in self.tables}
        for table in self.tables:
            for need in table.needs:
                self.table(need)
        try:
            tuple(TopologicalSorter(needs).static_order())
        except CycleError as error:
            raise DeclarationError(where, f"needs= of tables form a cycle: {' → '.join(error.args[1])}",
                                   remedy="Break it.") from None  # fmt: skip

    def _check_examples(self, where: str) -> None:
        examples, table = self.examples, self.table(self.examples.table)
        named = {"key": examples.keys, "inputs": examples.inputs, "at": (examples.at,) if examples.at else ()}
        for role, columns in named.items():
            for column in columns:
                if column not in table.columns:
                    raise DeclarationError(where, f"{role} names {column!r}, which {table.name} does not have",
                                           remedy=f"Its columns: {', '.join(table.columns)}.")  # fmt: skip
        if set(examples.keys) != set(table.key):
            raise DeclarationError(where, f"key={list(examples.keys)} is not the primary key of {table.name}, "
                                          f"{list(table.key)}", remedy="One example is one row of its table.")  # fmt: skip
        if examples.at and table.columns[examples.at] != pl.Datetime("us", "UTC"):
            raise DeclarationError(where, f"at={examples.at!r} is {table.columns[examples.at]}",
                                   remedy='Declare it dy.Datetime(time_zone="UTC").')  # fmt: skip
        if self.partitions and examples.at is None:
            raise DeclarationError(where, "partitions need a prediction time", remedy="Name it with at=.")
        if self.split.timed and examples.at is None:
            raise DeclarationError(where, "the split is by time and the examples have none",
                                   remedy="Use Split(validation=0.1, holdout=0.2).")  # fmt: skip
        if self.split.group is not None and self.split.group not in self.row_schema:
            raise DeclarationError(f"ModelPipeline({self.name!r}).split", f"group={self.split.group!r} is no input",
                                   remedy=f"Group by one of {', '.join(self.row_schema)}.")  # fmt: skip
        _ = self.task
        self._check_label(where)

    def _check_label(self, where: str) -> None:
        examples, table = self.examples, self.table(self.examples.table)
        if isinstance(examples.label, Label):
            other = self.table(examples.label.table)
            for own, theirs in join_keys(examples.label.on).items():
                if own not in self.row_schema or theirs not in other.columns:
                    raise DeclarationError(f"{where}.label", f"on= joins {own!r} to {theirs!r}",
                                           remedy="The left is a key or input, the right a column there.")  # fmt: skip
            if examples.label.matures_after and examples.at is None:
                raise DeclarationError(f"{where}.label", "matures_after= needs a prediction time", remedy="Name at=.")
            return
        expression = examples.label_expression
        assert expression is not None
        read = columns_read(to_portable(expression, where))
        leaking = sorted((read | ({table.known_at} if table.known_at else set())) & set(examples.inputs))
        if leaking:
            raise DeclarationError(where, f"inputs hold the outcome: {', '.join(leaking)}",
                                   remedy="Remove what the label or known_at is made of.")  # fmt: skip

    def _joined_outputs(self) -> list[tuple[str, dict[str, pl.DataType]]]:
        found: list[tuple[str, dict[str, pl.DataType]]] = []
        for feature in self.features:
            if isinstance(feature, Derived):
                continue
            where, table = f"{type(feature).__name__}({feature.table!r})", self.table(feature.table)
            self._check_clock(feature, table, where)
            taken = feature.take if isinstance(feature, Lookup | Latest) else ()
            of = [feature.of] if isinstance(feature, Window) and feature.of else []
            for column in (*taken, *of):
                if column not in table.columns:
                    raise DeclarationError(where, f"there is no column {column!r}",
                                           remedy=f"Its columns: {', '.join(table.columns)}.")  # fmt: skip
            if isinstance(feature, Window):
                self._check_window(feature, table, where)
                types: list[pl.DataType] = [pl.Int64() if agg == "count" else pl.Float64()
                                            for _ in feature.over for agg in feature.agg]  # fmt: skip
            elif isinstance(feature, Since):
                types = [pl.Float64()]
            else:
                types = [table.columns[column] for column in feature.take]
            found.append((where, dict(zip(feature.outputs, types, strict=True))))
        return found

    def _check_clock(self, feature: Any, table: Table, where: str) -> None:
        if isinstance(feature, Lookup):
            if table.event_time is not None:
                raise DeclarationError(where, f"{table.name} has a time axis", remedy="Use Latest.")
            return
        if table.event_time is None:
            raise DeclarationError(where, f"{table.name} has no event_time", remedy="Use Lookup, or declare it.")
        if self.examples.at is None:
            raise DeclarationError(where, "the examples have no prediction time", remedy="Name it with at=.")
        if table.name == self.examples.table and table.known_at is None:
            raise DeclarationError(
                where, f"{table.name} declares no known_at, so its outcomes would count as known when they begin",
                remedy="Declare the column that says when a row's outcome is known.")  # fmt: skip

    def _check_window(self, feature: Window, table: Table, where: str) -> None:
        if feature.of is not None and feature.agg != ("count",):
            dtype = table.columns[feature.of]
            if not (dtype.is_numeric() or dtype == pl.Boolean):
                raise DeclarationError(where, f"of={feature.of!r} is {dtype}", remedy="Only numbers have a sum or mean.")
        if feature.where is not None and _type_of(feature.where, table.columns, f"{where}.where") != pl.Boolean:
            raise DeclarationError(f"{where}.where", "not a Boolean expression", remedy="Compare something.")

    def _check_join(self, feature: Feature, types: dict[str, pl.DataType]) -> None:
        if isinstance(feature, Derived):
            return
        where, table = f"{type(feature).__name__}({feature.table!r})", self.table(feature.table)
        on = feature.by if isinstance(feature, Window) else feature.on
        early = {name for name, _ in self.derived if name in self.early_derived}
        for own, theirs in join_keys(on).items():
            if own not in self.row_schema and own not in early:
                outcome = own in self.table(self.examples.table).columns
                problem = f"joins on {own!r}, " + ("an outcome" if outcome else "which is no input")
                raise DeclarationError(where, problem, remedy=f"Inputs: {', '.join(self.row_schema)}.")
            if theirs not in table.columns:
                raise DeclarationError(where, f"joins on {theirs!r}, which {table.name} does not have",
                                       remedy=f"Its columns: {', '.join(table.columns)}.")  # fmt: skip
            if types[own] != table.columns[theirs]:
                raise DeclarationError(where, f"joins {own} ({types[own]}) to {theirs} ({table.columns[theirs]})",
                                       remedy="Give both the same type.")  # fmt: skip

    def _check_statuses(self, types: dict[str, pl.DataType]) -> None:
        meant: dict[str, str] = {}
        for feature in self.features:
            if isinstance(feature, Lookup | Latest):
                where, status = f"{type(feature).__name__}({feature.table!r})", feature.status
                age = (feature.max_age, feature.offset) if isinstance(feature, Latest) else ()
                reading = str(canonical([feature.table, join_keys(feature.on), age]))
                if status in types or meant.setdefault(status, reading) != reading:
                    raise DeclarationError(where, f"its status column {status!r} is already taken",
                                           remedy="Give this feature a name of its own with as_=.")  # fmt: skip

    @cached_property
    def early_derived(self) -> frozenset[str]:
        """Derived features that read inputs only: computed before the joins, so that they may be keys."""
        early: set[str] = set()
        for name, expression in self.derived:
            if columns_read(to_portable(expression, name)) <= self.row_schema.keys() | early:
                early.add(name)
        return frozenset(early)

    def _check_gates(self, where: str) -> None:
        for gate in self.gates:
            if not isinstance(gate, AtLeast | AtMost | NoWorseThanChampion | OverfitGap):
                continue
            if self.task not in METRICS[gate.metric][0]:
                known = [name for name, (tasks, *_) in METRICS.items() if self.task in tasks]
                raise DeclarationError(f"{where}.gates", f"{gate.metric!r} is no metric of a {self.task} task",
                                       remedy=f"Use one of {', '.join(known)}.")  # fmt: skip
            by = getattr(gate, "by", None)
            if by is not None and by not in {**self.row_schema, **self.feature_schema}:
                raise DeclarationError(f"{where}.gates", f"by={by!r} is neither input nor feature",
                                       remedy=f"Slice by one of {', '.join(self.row_schema)}.")  # fmt: skip
        judged = [_what_it_judges(gate) for gate in self.gates]
        twice = next((what for what in judged if judged.count(what) > 1), None)
        if twice is not None:
            raise DeclarationError(f"{where}.gates", f"{twice[0]} twice for the same thing", remedy="Declare it once.")


def _what_it_judges(gate: Gate) -> tuple[Any, ...]:
    """Floors and ceilings may come in several heights; of any other gate one is enough."""
    bound = getattr(gate, "floor", getattr(gate, "ceiling", None))
    return type(gate).__name__, getattr(gate, "metric", None), getattr(gate, "by", None), bound


def _claim(name: str, where: str, taken: dict[str, str]) -> None:
    if name in taken:
        raise DeclarationError(where, f"the name {name!r} is already that of {taken[name]}", remedy="Rename one (as_=).")
    if name.startswith("_"):
        raise DeclarationError(where, f"{name!r} begins with _", remedy="Those names are the platform's.")
    taken[name] = where


def _type_of(expression: pl.Expr, columns: dict[str, pl.DataType], where: str) -> pl.DataType:
    unknown = sorted(columns_read(to_portable(expression, where)) - columns.keys())
    if unknown:
        raise DeclarationError(where, f"reads {', '.join(unknown)}, which it may not or which does not exist",
                               remedy=f"It may read: {', '.join(columns)}.")  # fmt: skip
    try:
        # Run, not planned: a plan does not look whether a function fits the type it is applied to.
        return pl.DataFrame(schema=columns).select(expression.alias("value")).schema["value"]
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DeclarationError(where, f"the expression does not fit its columns: {error}",
                               remedy="See the types in the contract.") from error  # fmt: skip
