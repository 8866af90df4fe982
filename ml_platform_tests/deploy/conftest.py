"""The platform that was run, and its environment."""

from ml_platform_tests.cli.conftest import data_folder as data_folder
from ml_platform_tests.cli.conftest import finished_run as finished_run
from ml_platform_tests.cli.conftest import platform as platform
