"""Repoloom weaves repositories into code models: one street of stages, each in a room of its own (see CONTRIBUTING)."""

__version__ = "0.1.0"
