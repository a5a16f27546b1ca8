"""The whole suite runs inside the safety net of `support.plugin`; see README.md beside this file."""

import hypothesis

pytest_plugins = ["support.plugin", "pytester"]
"""The pytest plugin of the suite: isolation, the guard against real interfaces, leak checks, and common fixtures."""

# A machine that is busy is no defect of the code: no example is timed.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")
