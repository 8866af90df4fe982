"""The platform's LightGBM leaves scikit-learn and pandas out, and everybody else's has them."""

import subprocess
import sys

from ml_platform.models.lightgbm_library import lightgbm_library

OWN = """
import sys
import numpy
from ml_platform.models.lightgbm_library import lightgbm_library
own = lightgbm_library()
assert own is lightgbm_library() and not {"sklearn", "pandas", "lightgbm"} & set(sys.modules)
rows = numpy.array([[0.0], [1.0]] * 20)
booster = own.train({"objective": "binary", "verbose": -1}, own.Dataset(rows, numpy.array([0, 1] * 20)), 2)
assert booster.predict(rows)[1] > booster.predict(rows)[0]
"""
THEIRS = """
import lightgbm, pandas
assert lightgbm is not own and lightgbm.compat.PANDAS_INSTALLED and lightgbm.LGBMClassifier is not None
frame = pandas.DataFrame({"a": [0.0, 1.0] * 20})
model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(frame, [0, 1] * 20)
assert model.predict(frame)[1] == 1
assert booster.predict(rows)[1] > booster.predict(rows)[0] and lightgbm_library() is own
"""


def test_who_imports_lightgbm_after_the_platform_gets_all_of_it() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", OWN + THEIRS], check=True)


def test_what_somebody_imported_before_is_taken_as_it_is() -> None:
    theirs = "import lightgbm\nfrom ml_platform.models.lightgbm_library import lightgbm_library as library\n"
    subprocess.run([sys.executable, "-c", f"{theirs}assert library() is lightgbm"], check=True)


def test_the_library_is_the_same_at_each_call() -> None:
    assert lightgbm_library() is lightgbm_library()
