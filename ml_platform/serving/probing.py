"""Asks a running service whether it is ready."""

import json
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException

_SECONDS = 5.0
_EVERYTHING = "the service"  # what has a fault that is of no single pipeline


def unready(address: str, pipeline: str) -> str:
    """Why a service is not ready to answer for a pipeline; empty when it is. A fault of another pipeline is none."""
    # Its certificate may be of another name than the address on this machine. Nothing secret is sent.
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting))
    try:
        with direct.open(f"{address}/readyz", timeout=_SECONDS):
            return ""
    except urllib.error.HTTPError as refused:
        return _fault(refused, pipeline)
    except (OSError, HTTPException) as error:
        return f"it does not answer ({error})"


def _fault(refused: urllib.error.HTTPError, pipeline: str) -> str:
    try:
        faults = json.loads(refused.read(1_000_000))["faults"]
        mine = [faults[name] for name in (pipeline, _EVERYTHING) if name in faults]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return f"it answered with {refused.code}"
    if mine or not faults:  # it tells its faults to those only who may read them
        return " ".join(map(str, mine)) or "it is not ready"
    return ""
