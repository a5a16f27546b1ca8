"""What the tests of each language get from registries: a module for each, see ../setup.py."""
