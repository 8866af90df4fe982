"""The tables of alerts and of their delivery."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from ml_platform.state.column_types import ID, text_column, time_column
from ml_platform.state.metadata import METADATA

# `resolved_at` is null while an alert is open; `resolved_by` is a person, or "platform" when its cause is gone.
alerts = Table(
    "alerts",
    METADATA,
    Column("alert_id", Text, primary_key=True),
    text_column("kind"),
    text_column("severity"),
    text_column("asset"),
    text_column("partition"),
    text_column("about"),
    text_column("title"),
    text_column("text"),
    text_column("link"),
    text_column("evidence"),
    time_column("raised_at"),
    text_column("run_id"),
    time_column("resolved_at", nullable=True),
    text_column("resolved_by", nullable=True),
    text_column("resolved_why", nullable=True),
    Index(None, "raised_at"),
)

# Append-only; the newest row of an alert and channel is its state (`monitoring.delivery`).
alert_deliveries = Table(
    "alert_deliveries",
    METADATA,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("alert_id", Text, ForeignKey("alerts.alert_id"), nullable=False),
    text_column("channel"),
    Column("attempt", Integer, nullable=False),
    *(text_column(name) for name in ("state", "error")),
    time_column("until", nullable=True),
    time_column("recorded_at"),
    Index(None, "alert_id", "channel", "id"),
    sqlite_autoincrement=True,
)
