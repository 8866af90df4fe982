"""Another process that delivers: `python -m ml_platform_tests.monitoring.delivery_process FOLDER`.

It opens the state, says `ready`, waits for a line, delivers, and says how many alerts arrived by it.
The channels are those of ML_PLATFORM_ALERTS.
"""

import sys
from contextlib import closing
from pathlib import Path

from ml_platform.monitoring.channels import channels
from ml_platform.monitoring.delivery import deliver
from ml_platform.settings import Settings
from ml_platform.state.database import State

if __name__ == "__main__":
    settings = Settings(data=Path(sys.argv[1]), lock_timeout=60, threads=1)
    with closing(State(settings)) as state:
        print("ready", flush=True)  # noqa: T201 — this is how it talks
        sys.stdin.readline()
        print(len(deliver(state, channels(settings, print))), flush=True)  # noqa: T201 — as above
