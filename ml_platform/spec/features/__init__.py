"""The words that declare features (S7 to S15), one module a kind.

Each checks itself, names its outputs and puts them in words, without I/O; `ml_platform.features` computes them.
"""

from collections.abc import Iterable

from ml_platform.spec.features.derived import Derived
from ml_platform.spec.features.latest import Latest
from ml_platform.spec.features.lookup import Lookup
from ml_platform.spec.features.since import Since
from ml_platform.spec.features.time_since import TimeSince
from ml_platform.spec.features.window import Window
from ml_platform.spec.features.word import JoinedFeature, On, Phrases, join_keys

Feature = Derived | Lookup | Latest | Window | Since | TimeSince

__all__ = [
    "Derived",
    "Feature",
    "JoinedFeature",
    "Latest",
    "Lookup",
    "On",
    "Phrases",
    "Since",
    "TimeSince",
    "Window",
    "join_keys",
    "joined_features",
]


def joined_features(features: Iterable[Feature]) -> tuple[JoinedFeature, ...]:
    """The features that read a table, in order."""
    return tuple(feature for feature in features if isinstance(feature, JoinedFeature))
