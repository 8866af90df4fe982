"""The distributions that a package needs, and what they need, in the versions that are installed here."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ml_platform.errors import ServingError


def pins(roots: Iterable[str], remedy: str) -> list[str]:
    """`name==version` of every distribution, sorted. Raises ServingError, with `remedy`, for one that is missing here.

    Requirements of other systems and of extras that nobody asks for are left out.
    """
    versions: dict[str, str] = {}
    waiting = [(Requirement(root), "") for root in roots]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for asked in ("", *requirement.extras):
            if (name, asked) in seen:
                continue
            seen.add((name, asked))
            try:
                found = distribution(name)
            except PackageNotFoundError:
                raise ServingError(f"{name} is not installed, so its version is not known.", remedy=remedy) from None
            versions[name] = found.version
            waiting += [(Requirement(text), asked) for text in found.requires or ()]
    return [f"{name}=={versions[name]}" for name in sorted(versions)]
