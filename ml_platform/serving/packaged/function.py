"""A packaged version behind one function: one event in, one answer out, as serverless runtimes call it."""

import base64
import binascii
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ml_platform.errors import FeatureError, PlatformError, ScoringError
from ml_platform.serving.packaged.model import PackagedModel
from ml_platform.serving.rest.json_bodies import validated
from ml_platform.serving.rest.request_model import BODY_BYTES, request_adapter, to_predict_request
from ml_platform.serving.rest.wrong_fields import wrong_fields

_HTTP = frozenset({"body", "httpMethod", "requestContext"})  # any of them: an event of an API gateway
_log = logging.getLogger(__name__)

_Answer = tuple[int, dict[str, Any]]


class Function:
    """Answers events about the version in the folder of a package. What can be prepared is prepared before the first.

    An event is a request as the REST service takes it (`rows`, `overrides`, `contributions`): as a mapping, or as the
    JSON body of an API gateway's event. Answers have a `statusCode` of HTTP; a gateway gets the rest in `body`.
    Nothing that an event holds makes it raise.
    """

    def __init__(self, folder: Path) -> None:
        self._fault: PlatformError | None = None
        try:
            self._model = PackagedModel(folder)
        except PlatformError as error:  # each event is answered by it: a runtime would show the trace of an import
            self._fault = error
            _log.error("%s", error)
            return
        self._request = request_adapter(self._model.definition)
        self._model.warm_up()

    def __call__(self, event: Any, context: Any = None) -> dict[str, Any]:
        """The answer to an event. The runtime's `context` is not used."""
        of_gateway = isinstance(event, Mapping) and not _HTTP.isdisjoint(event)
        try:
            code, answer = self._answer(event, of_gateway)
        except Exception:  # a bug: the log has its trace, the caller has none
            _log.exception("An event failed")
            code, answer = _refusal(500, "The function failed.", "Its log says why.")
        if not of_gateway:
            return {"statusCode": code, **answer}
        headers = {"content-type": "application/json"}
        return {"statusCode": code, "headers": headers, "body": json.dumps(answer), "isBase64Encoded": False}

    def _answer(self, event: Any, of_gateway: bool) -> _Answer:
        if self._fault is not None:
            return _refusal(503, self._fault.what, self._fault.remedy)
        if of_gateway and _method(event) != "POST":
            return _refusal(405, "The method is not POST.", "Send the rows as the body of a POST.")
        try:
            body = _body(event) if of_gateway else json.dumps(event, allow_nan=False)
        except (TypeError, ValueError, binascii.Error, RecursionError):
            return _refusal(422, "The event is no JSON.", "Send a JSON object with `rows`.")
        if len(body) > BODY_BYTES:
            return _refusal(413, f"The body is larger than {BODY_BYTES:,} bytes.", "Send fewer rows.")
        try:
            request = to_predict_request(validated(self._request, body))
            return 200, {"predictions": self._predictions(request.rows, request.adjustments, request.contributions)}
        except ValidationError as error:
            refusal = _refusal(422, "The request is not valid.", "`about()` of the package describes a request.")
            return refusal[0], {**refusal[1], **wrong_fields(error)}
        except (FeatureError, ScoringError) as error:
            return _refusal(422, error.what, error.remedy)

    def _predictions(self, rows: Any, adjustments: Any, contributions: bool) -> list[dict[str, Any]]:
        answers = self._model.answers(rows, adjustments)
        at = self._model.definition.at
        predictions = [
            {
                "key": answer.key,
                "at": row[at].isoformat(timespec="microseconds") if at else None,
                "version": answer.version,
                "score": answer.score,
                "scores": answer.scores,
                "class": answer.class_name,
                "statuses": dict(answer.statuses),
                "missing": list(answer.missing),
            }
            for row, answer in zip(rows, answers, strict=True)
        ]
        if contributions:
            added = self._model.predictor.contributions(rows, answers)
            for prediction, of_row in zip(predictions, added, strict=True):
                prediction["contributions"] = of_row
        return predictions


def _refusal(code: int, error: str, remedy: str) -> _Answer:
    return code, {"error": error, "remedy": remedy}


def _method(event: Mapping[str, Any]) -> str:
    """The method of a gateway's event, of its first or second format; POST where it says none."""
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, Mapping) else None
    named = http.get("method") if isinstance(http, Mapping) else None
    return str(event.get("httpMethod") or named or "POST").upper()


def _body(event: Mapping[str, Any]) -> str | bytes:
    """The body of a gateway's event. Raises TypeError where there is none, binascii.Error where it is no base64."""
    body = event.get("body")
    if not isinstance(body, str):
        raise TypeError("no body")
    return base64.b64decode(body, validate=True) if event.get("isBase64Encoded") is True else body.encode()
