"""Channels: the console, and every service that apprise knows (mail, chat, web hooks) by its address.

Addresses hold secrets: they come from ML_PLATFORM_ALERTS, and neither they nor parts of them are
printed or stored. A channel is named by its scheme and the first digits of the address's hash.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence

from ml_platform.errors import DeliveryFailed
from ml_platform.escaping import lines, printable
from ml_platform.monitoring.delivery import Channel
from ml_platform.redaction import SecretFreeRecords, without_address
from ml_platform.settings import Settings
from ml_platform.state.alerts import Alert

CONSOLE = "console"
_SHOWN = 20  # alerts in one message; the others are counted


def channels(settings: Settings, say: Callable[[str], None]) -> list[Channel]:
    """The declared channels; the console, a line an alert through `say`, when there are none."""
    declared = [_apprise(address) for address in settings.alert_addresses]
    return declared or [Channel(CONSOLE, lambda items: _print(items, say))]


def line(item: Alert) -> str:
    """An alert as one line."""
    return printable(f"{item.severity}: {item.title}. {item.text}")


def message(items: Sequence[Alert]) -> tuple[str, str]:
    """Title and text of one message about all of them."""
    if len(items) == 1:
        return printable(items[0].title), _body(items[0])
    texts = [f"{printable(item.title)}\n{_body(item)}" for item in items[:_SHOWN]]
    if len(items) > _SHOWN:
        texts.append(f"And {len(items) - _SHOWN} more: `ml-platform alerts` lists them.")
    return f"{len(items)} alerts: {printable(items[0].title)}, …", "\n\n".join(texts)


def _body(item: Alert) -> str:
    return f"{lines(item.text)}\n{item.link}".strip()


def _print(items: Sequence[Alert], say: Callable[[str], None]) -> None:
    for item in items:
        say(line(item))


def _apprise(address: str) -> Channel:
    scheme = address.partition("://")[0] if "://" in address else "?"
    name = f"{scheme} {hashlib.sha256(address.encode()).hexdigest()[:8]}"
    return Channel(name, lambda items: _notify(address, name, items))


def _notify(address: str, name: str, items: Sequence[Alert]) -> None:
    try:
        import apprise
    except ModuleNotFoundError:
        raise DeliveryFailed(
            name,
            "apprise is not installed",
            remedy="`pip install 'ml_platform[monitoring]'`, or unset ML_PLATFORM_ALERTS.",
        ) from None
    for name_of_logger in ("apprise", "urllib3.connectionpool", "requests"):  # whoever listens to them besides
        logger = logging.getLogger(name_of_logger)
        if not any(isinstance(existing, SecretFreeRecords) for existing in logger.filters):
            logger.addFilter(SecretFreeRecords())
    notifier = apprise.Apprise(asset=apprise.AppriseAsset(app_id="ml_platform", app_url="", async_mode=False))
    if not notifier.add(address):
        raise DeliveryFailed(
            name, "apprise does not know this kind of address", remedy="Correct it in ML_PLATFORM_ALERTS."
        )
    title, body = message(items)
    worst = "failure" if any(item.severity == "error" for item in items) else "warning"
    with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]  # apprise leaves it so
        # Said to be text, it is escaped where a service shows HTML.
        text, kind = apprise.NotifyFormat.TEXT, apprise.NotifyType(worst)
        taken = notifier.notify(title=title, body=body, body_format=text, notify_type=kind)
        warnings = log.getvalue().strip().splitlines()
    if not taken:
        why = without_address(address, warnings[-1]) if warnings else "the service gave no reason"
        raise DeliveryFailed(name, why, remedy="The platform tries again; `ml-platform alerts` shows the state.")
