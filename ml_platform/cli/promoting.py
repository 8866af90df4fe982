"""`promote --to`: a version goes to another environment."""

import getpass
from contextlib import closing
from typing import Any

from ml_platform.cli import opening
from ml_platform.cli.output import emit_json, emit_lines, note
from ml_platform.errors import DeclarationError, PromotionRefused


def promote_to(name: str, number: int | None, environment: str, why: str, *, dry_run: bool, as_json: bool) -> None:
    """Promote a version, None: the champion, to the environment; `dry_run` only says whether that may be.

    Raises PromotionRefused with every reason, and DeclarationError for settings of the environment that cannot be.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from ml_platform.discovery import slices_of
    from ml_platform.environments import variable_of
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.state import promotions
    from ml_platform.state.publishing import publish
    from ml_platform.state.versions import version as find_version
    from ml_platform.steps import promoting
    from ml_platform.steps.integration_test import newest_test

    there = opening.declarations()
    pipeline = there.find(name)
    source = opening.reading(there) if dry_run else opening.writing(there)
    if number is None:
        number = promotions.champion_at(source.state, name)
        if number is None:
            raise PromotionRefused(name, 0, [f"{name} has no champion here"])
    version = find_version(source.state, name, number)
    try:
        settings = Settings.of_environment(environment)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_context=False)[0]
        raise DeclarationError(f"--to {environment}", problem["msg"], remedy="Name another environment.") from None
    except SettingsError:  # only lists are parsed before they are checked, and there is one
        where = variable_of(environment, "PIPELINES")
        remedy = f"""Write {where}, or ML_PLATFORM_PIPELINES, as '["package.module"]'."""
        raise DeclarationError(where, "not a JSON list of modules", remedy=remedy) from None
    promoting.check_environment(source.settings, settings, name, number)
    slices = slices_of(there.pipelines.values())
    opened = Workspace.open_for_reading(settings, slices) if dry_run else Workspace.open(settings, slices)
    facts: dict[str, Any] = {"pipeline": name, "version": number, "bundle": version.bundle, "to": environment}
    with closing(opened) as target:
        if dry_run:
            if reasons := promoting.objections(source, target, pipeline, version):
                raise PromotionRefused(name, number, reasons)
            result = newest_test(source, name, version)
            tested = "to be run" if result is None or result.passed is None else "passed" if result.passed else "failed"
            facts |= {"changed": False, "version_there": None, "integration_test": tested}
        else:
            promoted = promoting.promote_to(source, target, pipeline, number, why=why, actor=getpass.getuser())
            publish(target)
            publish(source)
            facts |= {"changed": promoted.changed, "version_there": promoted.number, "integration_test": "passed"}
            if not promoted.changed:
                note(f"{name}@{promoted.number} is the champion of {environment} already; nothing changed.")
    emit_json(facts) if as_json else emit_lines(facts)
