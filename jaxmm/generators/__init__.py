"""Modules that make motion from text, and those that judge it."""
