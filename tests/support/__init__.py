"""What tests share: isolation from real networks, namespaces with hosts, child programs, leak checks.

Importable as `support` in every test (`pythonpath` in pyproject.toml).
"""
