"""Churn, whose customers may be corrected: labels are posted."""

from dataclasses import replace

from ml_platform_tests import scenario

customers = replace(scenario.customers, on_conflict="latest")
churn = scenario.churn(tables=[customers, scenario.logins, scenario.calls, scenario.plans])
