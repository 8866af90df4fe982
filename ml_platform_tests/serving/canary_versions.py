"""Versions that are like the champion but for their model, and passed the same gates."""

import re
from collections.abc import Callable
from dataclasses import fields, replace

from ml_platform.models import bundle as bundles
from ml_platform.state import promotions, verdicts, versions
from ml_platform.state.versions import Training
from ml_platform_tests.world import World


def version_with(world: World, change: Callable[[bytes], bytes]) -> int:
    """A new version whose model is the champion's after a change of its text."""
    state, name = world.ws.state, world.pipeline.name
    champion = promotions.champion_at(state, name)
    assert champion is not None
    version = versions.version(state, name, champion)
    bundle = bundles.load(world.ws.blobs, version.bundle)
    digest = bundles.save(world.ws.blobs, replace(bundle, model=change(bundle.model)))
    training = Training(**{field.name: getattr(version, field.name) for field in fields(Training)})
    made = versions.register(state, replace(training, bundle=digest, content_key=digest))
    evidence = [replace(one, version=made.version) for one in verdicts.of(state, name, champion)]
    verdicts.record(state, evidence, "")
    return made.version


def without_scores(model: bytes) -> bytes:
    """A LightGBM model all of whose scores are NaN."""
    text = re.sub(rb"leaf_value=.*", lambda found: b"leaf_value=" + b" ".join([b"nan"] * len(found[0].split())), model)
    assert text != model
    return re.sub(rb"tree_sizes=.*\n", b"", text)


def many_times(model: bytes) -> bytes:
    """A LightGBM model with the trees of another one many times over: its scores are others, and take far longer."""
    import lightgbm

    booster, other = (lightgbm.Booster(model_str=model.decode()) for _ in range(2))
    while booster.num_trees() < 30_000:
        lightgbm.basic._safe_call(lightgbm.basic._LIB.LGBM_BoosterMerge(booster._handle, other._handle))
        other = lightgbm.Booster(model_str=booster.model_to_string())
    return booster.model_to_string().encode()
