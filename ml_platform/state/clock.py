"""The time of what the platform writes: later than all that it wrote before, whatever the machine's clock shows.

A clock that is set back would otherwise have what is written now come before what it replaces. The newest stamp is a
row of the operational state, so that it holds for all processes and machines of a lake.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from ml_platform.state import alert_tables, schema
from ml_platform.state.canary_tables import canaries
from ml_platform.state.challenge_tables import challenges
from ml_platform.state.check_tables import checks
from ml_platform.state.erasure_tables import erasures, rewritten
from ml_platform.state.schema import clock

_NAME = "platform"  # the table has this row only
_STEP = timedelta(microseconds=1)
TOLERANCE = timedelta(seconds=5)  # two machines of one lake differ by less


class Stamps:
    """The stamps of one transaction, each later than the one before. `save` keeps the last of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stored: datetime | None = connection.execute(_NEWEST).scalar()
        self._newest = self._stored

    def following(self, moment: datetime | None = None) -> datetime:
        """Now, in UTC, or a microsecond after the newest stamp where the clock shows an earlier time.

        `moment`: a time that the stamp is to be later than, too.
        """
        stamp = datetime.now(UTC)
        for earlier in (self._newest, moment):
            if earlier is not None and stamp <= earlier:
                stamp = earlier + _STEP
        self._newest = stamp
        return stamp

    def save(self) -> None:
        """Store the newest stamp, in the same transaction."""
        if self._stored is None:
            self._connection.execute(insert(clock).values(name=_NAME, newest=self._newest))
        elif self._stored != self._newest:
            self._connection.execute(update(clock).where(clock.c.name == _NAME).values(newest=self._newest))


_STAMPED = (
    schema.records.c.recorded_at,
    schema.files.c.recorded_at,
    schema.landings.c.recorded_at,
    schema.withdrawals.c.recorded_at,
    schema.withdrawals.c.ended_at,
    schema.screenings.c.recorded_at,
    schema.versions.c.created_at,
    schema.verdicts.c.recorded_at,
    schema.promotions.c.recorded_at,
    schema.decisions.c.recorded_at,
    checks.c.recorded_at,
    challenges.c.recorded_at,
    canaries.c.recorded_at,
    erasures.c.begun_at,
    erasures.c.ended_at,
    rewritten.c.rewritten_at,
    alert_tables.alerts.c.raised_at,
    alert_tables.alerts.c.resolved_at,
    alert_tables.alert_deliveries.c.recorded_at,
)
_NEWEST = select(clock.c.newest).where(clock.c.name == _NAME)


def newest_on_record(connection: Connection) -> datetime | None:
    """The newest time of all rows, of which some may come from a lake that kept its state itself."""
    newest_times = [connection.execute(select(func.max(column))).scalar() for column in _STAMPED]
    return max((moment for moment in newest_times if moment is not None), default=None)


def newest_stamp(connection: Connection) -> datetime | None:
    """The newest time that was ever stamped; None before the first."""
    moment: datetime | None = connection.execute(_NEWEST).scalar()
    return moment
