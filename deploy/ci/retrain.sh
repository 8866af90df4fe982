#!/bin/sh
# Retrains, judges and promotes a pipeline without a person (docs/ci-cd.md). Its exit code is that of the first
# command that did not succeed: 3 a gate refused the candidate, 4 its data block it, 5 a gate waits, 1 a failure.
#
#   PIPELINE              the pipeline
#   ML_PLATFORM_ENVIRONMENT, ML_PLATFORM_…   the environment to work in, and its settings
#   PROMOTE_TO            the environment that gets the champion; empty: none
#   WHY                   the reason in the promotion log; default: retrain.sh
#   ARTIFACTS             the folder of plan.json, run.json, model-card.md and promotion.json; default: artifacts
#   FAIL_ON               refused, blocked, waiting or any; default: any
set -u
: "${PIPELINE:?set PIPELINE to the name of a pipeline}"
artifacts=${ARTIFACTS:-artifacts}
mkdir -p "$artifacts" || exit 1
# a job that ends early leaves no answer of an earlier one
rm -f "$artifacts/plan.json" "$artifacts/run.json" "$artifacts/model-card.md" "$artifacts/promotion.json"

ml-platform plan "$PIPELINE" --json --exit-code > "$artifacts/plan.json"
planned=$?
case $planned in
    0 | 6) ;;
    *) exit $planned ;;
esac

# also where nothing is planned: a candidate that is still blocked or waits fails the job again
ml-platform run "$PIPELINE" --json --fail-on "${FAIL_ON:-any}" > "$artifacts/run.json"
ran=$?

# the newest version, whatever became of it
version=$(ml-platform models "$PIPELINE" --json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
print(rows[0]["version"] if rows else "")
') || version=
if [ -n "$version" ]; then
    ml-platform models "$version" --card > "$artifacts/model-card.md" || [ $ran -ne 0 ] || exit 1
fi
[ $ran -eq 0 ] || exit $ran

if [ -n "${PROMOTE_TO:-}" ]; then
    ml-platform promote "$PIPELINE" --to "$PROMOTE_TO" --why "${WHY:-retrain.sh}" --json > "$artifacts/promotion.json"
    exit $?
fi
