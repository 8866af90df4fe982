"""Workers that do not behave: what the process that draws reports may do to whoever asks it."""

import json
import os
import signal
import sys
import threading
from typing import Any


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    _say({"ready": True})
    for line in sys.stdin:
        question = json.loads(line)
        match question["do"]:
            case "die":
                sys.stderr.write("out of ink\n")
                sys.stderr.flush()
                os._exit(3)
            case "hang":
                threading.Event().wait()  # until it is killed
            case "interrupt":
                os.kill(os.getppid(), signal.SIGINT)
                _say({"pid": os.getpid(), "said": "an answer that nobody waits for"})
            case "fail":
                _say({"error": "ValueError: no such colour"})
            case _:
                _say({"pid": os.getpid(), "said": question["do"]})


if __name__ == "__main__":
    main()
