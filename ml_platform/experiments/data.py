"""The training set of an experiment: the pipeline's own where the changes leave it as it is, else one beside it.

What an experiment makes has the content key that the pipeline's own would have, and waits under it in the records of
experiments. So only what changed is computed, once.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

from ml_platform.errors import OrderError
from ml_platform.experiments.changing import Variant
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake import file_hashes
from ml_platform.lake.data_files import TablePartition
from ml_platform.lake.recipes import Read
from ml_platform.naming import literal
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import experiments, ledger
from ml_platform.state.results import TrainingSetResult
from ml_platform.steps import features, training_set
from ml_platform.training import training_set as training_sets
from ml_platform.training.training_set import TrainingSet
from ml_platform.validation.version_order import with_paths

Tell = Callable[[str], None]
_STEP = features.FeaturesStep()


@dataclass
class ExperimentData:
    """What an experiment is trained on: what it would be made from, and how to get it.

    key:      the content key of the training set.
    own:      whether the features are those of the pipeline's table.
    features: the content key of each partition of the features. uses: keys of the outputs of experiments in it.
    """

    ws: Workspace
    base: ModelPipeline
    variant: Variant
    partition: str
    own: bool
    key: str
    features: dict[str, str]
    uses: set[str] = field(default_factory=set)

    def training_set(self, tell: Tell) -> TrainingSet:
        """The training set, made if neither the pipeline nor an experiment has it.

        Raises TrainingError where it cannot be made, LakeError for damaged tables.
        """
        ws = self.ws
        record = ledger.latest_of(ws.state, f"{self.base.name}/training_set", self.partition)
        if record is not None and record.content_key == self.key and ws.blobs.whole(record.output):
            details = record.result_as(TrainingSetResult).details
            if details is not None:
                return TrainingSet.from_details(dict(details))
        self.uses.add(self.key)
        stored = experiments.output(ws.state, self.key)
        if stored is not None and ws.blobs.whole(stored[0]):
            return TrainingSet.from_details(stored[1])
        rows = "" if self.own else self._feature_rows(tell)
        tell("training set")
        self._check_files()
        stored_set = training_sets.build(
            ws.lake,
            ws.blobs,
            self.variant.data,
            label_rows=with_paths(ws.state, self.variant.data.label_table),
            decided_at=window_of(self.base, self.partition)[1],
            partitions_upto=list(self.features),
            feature_rows=rows,
        )
        keys = self.own, self.key, self.features
        self._refuse_changed(lambda: _keys(ws, self.base, self.variant, self.partition) == keys)
        experiments.keep_output(ws.state, self.key, stored_set.digest, stored_set.to_details())
        return stored_set

    def _feature_rows(self, tell: Tell) -> str:
        """A relation of the changed features of all partitions, each made once."""
        ws, definition, paths = self.ws, FeatureDefinition.of(self.variant.data), []
        for partition, key in self.features.items():
            self.uses.add(key)
            stored = experiments.output(ws.state, key)
            if stored is None or not ws.blobs.whole(stored[0]):
                tell(f"features {partition}")
                self._check_files()
                window = window_of(self.base, partition)
                with features.computed(ws, definition, *window) as table, ws.blobs.writing() as path:
                    ws.lake.connection.execute(f"COPY (FROM {table}) TO {literal(str(path))} (FORMAT parquet)")
                    digest = ws.blobs.put_file(path)
                self._refuse_changed(partial(self._is_current, partition))
                experiments.keep_output(ws.state, key, digest, {})
                stored = digest, {}
            paths.append(literal(str(ws.blobs.get(stored[0]))))
        return f"(FROM read_parquet([{', '.join(paths)}]))"

    def _is_current(self, partition: str) -> bool:
        """Whether a partition of the features has the same content key now."""
        with self.ws.reading():
            return _STEP.key(self.ws, self.variant.data, partition).content_key == self.features[partition]

    def _refuse_changed(self, unchanged: Callable[[], bool]) -> None:
        """Raise OrderError unless the content keys are `unchanged`: they would name other rows than were read.

        A run records what it commits under the write lock, so that whoever has the lock sees both or none.
        """
        lake = self.ws.lake
        local = not lake.settings.catalog.get_secret_value()  # a reader of a PostgreSQL catalog has no lock to take
        with lake.locked("a look at content keys") if local else nullcontext():
            same = unchanged()
        if not same:
            raise OrderError(
                f"A run of {self.base.name} or of its tables changed the data while the experiment read them.",
                remedy="Try it again when the run has ended.",
            )

    def _check_files(self) -> None:
        """Compare the bytes of the tables with what was committed (S31), as each step does."""
        tables = {("validated", table.name) for table in self.variant.data.tables}
        own = {TablePartition(self.base.name, "features", partition) for partition in self.features if self.own}
        file_hashes.check(self.ws.lake, tables | {(one.schema, one.table) for one in own}, own)


def data_of(ws: Workspace, base: ModelPipeline, variant: Variant, partition: str) -> ExperimentData:
    """What the variant is trained on at the end of a partition, from the operational state alone.

    Raises OrderError when the pipeline did not run so far.
    """
    return ExperimentData(ws, base, variant, partition, *_keys(ws, base, variant, partition))


def _keys(ws: Workspace, base: ModelPipeline, variant: Variant, partition: str) -> tuple[bool, str, dict[str, str]]:
    """Whether the features are those of the table, the key of the training set, and those of the features."""
    upto = base.partition_keys_upto(partition)
    with ws.reading():
        recorded = {read.partition: read.content_key for read in reading.own(ws, base, "features", upto)}
        current = {one: _STEP.key(ws, base, one).content_key for one in upto}
    own = FeatureDefinition.of(base).key == FeatureDefinition.of(variant.data).key
    own = own and recorded == current
    with ws.reading():  # another look: the definition of the base is remembered within the first
        wanted = current if own else {one: _STEP.key(ws, variant.data, one).content_key for one in upto}
        reads = [Read(f"{base.name}/features", one, key) for one, key in wanted.items()]
        recipe = training_set.recipe_of(ws, variant.data, partition, reads)
    return own, recipe.content_key, wanted
