"""The kinds of features: one module a kind holds its stored form and how it is computed, in batch and online.

A new kind is a word in `spec.features`, a module here, and a line in JOINED.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_platform.errors import FeatureError
from ml_platform.features.forms import Form
from ml_platform.features.kinds.latest import LatestForm
from ml_platform.features.kinds.lookup import LookupForm
from ml_platform.features.kinds.since import SinceForm
from ml_platform.features.kinds.time_since import TimeSinceForm
from ml_platform.features.kinds.window import WindowForm

if TYPE_CHECKING:
    from ml_platform.spec.features import JoinedFeature

JOINED: tuple[type[Form], ...] = (LatestForm, LookupForm, SinceForm, TimeSinceForm, WindowForm)
_BY_WORD = {form.word: form for form in JOINED}
_BY_KIND = {form.kind: form for form in JOINED}


def form_of(feature: "JoinedFeature") -> Form:
    """The form of a declared feature that reads a table."""
    return _BY_WORD[type(feature).__name__].from_word(feature)


def form_from_json(data: Mapping[str, Any]) -> Form:
    """The form that `to_json` gave. Raises FeatureError for a kind that this version does not know."""
    if data["kind"] not in _BY_KIND:
        raise FeatureError(
            f"The feature kind {data['kind']!r} is not known to this version of ml_platform.",
            remedy="Use the ml_platform that wrote it, or a newer one.",
        )
    return _BY_KIND[data["kind"]].from_json(data)
