"""Everything that is not the window: configuration, adapters, models, data, training, store. Knows no Qt."""

VERSION = "0.1.0"
"""Of the program, as `pyproject.toml` has it."""
