"""Features that take one row of a table: Latest, Since and Lookup (S10, S11, S12)."""

import secrets

import numpy as np
import polars as pl

from ml_platform.features.definition import FeatureDefinition, TableForm
from ml_platform.features.forms import JoinedForm, LatestForm, LookupForm, On, SinceForm, WindowForm
from ml_platform.features.places import ALWAYS, NEVER, Extremes, Integers, Places
from ml_platform.features.relations import Batch, micros, superseded
from ml_platform.naming import quoted

_ROWS = 1 << 20
_NONE = -1  # no row: ranks begin at 0
_SECOND = 1e6  # microseconds


def picks(definition: FeatureDefinition, batch: Batch) -> dict[str, pl.Series]:
    """Every output and status of Latest, Since and Lookup, in the order of the examples."""
    passes: dict[tuple[str, On], list[JoinedForm]] = {}
    for form in definition.joined:
        if not isinstance(form, WindowForm):
            passes.setdefault((form.table, form.on), []).append(form)
    found: dict[str, pl.Series] = {}
    for (name, on), forms in passes.items():
        with batch.joined(name, on) as source:
            ranked = _Ranked(batch, definition.tables[name], source, forms)
        for form in forms:
            found.update(ranked.outputs(form, batch.places(on)))
        ranked.drop()
    return found


class _Ranked:
    """The rows of one join, numbered in the order in which they are preferred."""

    def __init__(self, batch: Batch, table: TableForm, source: str, forms: list[JoinedForm]) -> None:
        self.batch, self.table = batch, table
        self.name = f"temp.main.ranked_{secrets.token_hex(6)}"
        take = sorted({column for form in forms for column in getattr(form, "take", ())})
        self.take = take
        if table.timed:
            event = f"e.{quoted(table.event_time or '')}"
            order, reach = [event, "e._known_at", "e._arrival"], f"AND {batch.reach('e._usable_at')}"
            clock = f"{micros(event)} AS _clock"
        else:
            order, reach = ["e._arrival"], ""
            clock = f"min({micros('e._usable_at')}) OVER (PARTITION BY k._group) AS _clock"
        order += [*(f"e.{quoted(column)}" for column in table.key), "e._file", "e._row"]
        columns = [
            f"k._group AS _group, {clock}, {micros('e._usable_at')} AS _usable, {superseded()} AS _end",
            *(f"e.{quoted(column)}" for column in take),
        ]
        batch.connection.execute(
            f"CREATE TEMP TABLE {self.name} AS SELECT row_number() OVER (ORDER BY {', '.join(order)}) - 1 AS _rank, "
            f"{', '.join(columns)} FROM {source} WHERE e._usable_at IS NOT NULL {reach}"
        )

    def drop(self) -> None:
        self.batch.connection.execute(f"DROP TABLE {self.name}")

    def outputs(self, form: JoinedForm, places: Places) -> dict[str, pl.Series]:
        rows = self._found(form, places)
        at, clock = pl.Series(self.batch.at), rows["_clock"]
        if isinstance(form, SinceForm):
            # In numpy: polars divides by a constant through its reciprocal.
            age = pl.Series((at - clock.fill_null(0)).to_numpy() / _SECOND)
            return {form.outputs[0]: rows.select(pl.when(clock.is_not_null()).then(age).alias("age"))["age"]}
        assert isinstance(form, LatestForm | LookupForm)
        if isinstance(form, LookupForm):
            doubtful, word = at < clock, "assumed"
        else:
            doubtful, word = at - form.offset - clock > (form.max_age or NEVER), "stale"
        status = rows.select(
            pl.when(pl.col("_clock").is_null())
            .then(pl.lit("unknown"))
            .when(doubtful)
            .then(pl.lit(word))
            .otherwise(pl.lit("ok"))
            .alias("status")
        )["status"]
        fresh = status != "stale"
        found = {
            output: rows.select(pl.when(fresh).then(pl.col(column)))[column]
            for output, column in zip(form.outputs, form.take, strict=True)
        }
        return {**found, form.status: status}

    def _found(self, form: JoinedForm, places: Places) -> pl.DataFrame:
        """The chosen row of each example; nulls where there is none."""
        rank = pl.DataFrame({"_rank": self._ranks(form, places)[places.place_of]})
        wanted = rank.filter(pl.col("_rank") >= 0).unique()
        name = f"wanted_{secrets.token_hex(6)}"
        self.batch.connection.register(name, wanted.to_arrow())
        columns = ", ".join(["_rank", "_clock", *(quoted(column) for column in self.take)])
        rows = self.batch.connection.execute(f"SELECT {columns} FROM {self.name} SEMI JOIN {name} USING (_rank)").pl()
        self.batch.connection.unregister(name)
        typed = rows.with_columns(pl.col(column).cast(self.table.columns[column]) for column in self.take)
        return rank.join(typed, on="_rank", how="left", maintain_order="left")

    def _ranks(self, form: JoinedForm, places: Places) -> Integers:
        standing = np.full(places.size + 1, _NONE, np.int64)  # of rows that nothing replaced
        replaced = Extremes(places.size, np.maximum, _NONE, np.int64)
        reader = self.batch.connection.execute(
            f"SELECT _rank, _group, _clock, _usable, _end FROM {self.name}"
        ).to_arrow_reader(_ROWS)
        count = 0
        for rows in reader:
            rank, group, clock, usable, end = (np.asarray(column, np.int64) for column in rows.columns)
            count += len(rank)
            start, last = _covered(form, clock, usable, end)
            first = places.after(places.keys(group, start))
            current = last == NEVER
            # A row that begins after its group's last example would land on the next group.
            begun = current & (first < places.size) & (places.groups[np.minimum(first, places.size - 1)] == group)
            np.maximum.at(standing, first[begun], rank[begun])
            over = np.flatnonzero(~current)
            until = places.after(places.keys(group[over], last[over]))
            covers = until > first[over]
            over = over[covers]
            replaced.add(first[over], until[covers], rank[over])
        found: Integers = np.maximum(_carried(standing, places.groups, count), replaced.result())
        return found


def _covered(form: JoinedForm, clock: Integers, usable: Integers, end: Integers) -> tuple[Integers, Integers]:
    """A row counts for examples with start < at ≤ last."""
    if isinstance(form, LookupForm):
        # By arrival, inclusive; the first rows of a key also stand for the time before them.
        last = np.where(end == NEVER, NEVER, end - 1)
        return np.where((usable == clock) & (last >= usable), ALWAYS, usable - 1), last
    offset = form.offset if isinstance(form, LatestForm) else 0
    return np.maximum(usable, clock + offset - 1), end


def _carried(standing: Integers, groups: Integers, count: int) -> Integers:
    """The greatest rank so far within each group."""
    stride = count + 1
    base = groups * stride
    carried = np.maximum.accumulate(base + standing[:-1] + 1) - base - 1
    return np.append(carried, _NONE)
