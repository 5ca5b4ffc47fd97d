"""Losses as pure functions: one value per example, never reduced."""
