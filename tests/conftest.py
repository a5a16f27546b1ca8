"""The whole suite runs inside the safety net of `support.plugin`; see README.md beside this file."""

pytest_plugins = ["support.plugin", "pytester"]
