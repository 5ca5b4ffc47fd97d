"""Tasks: what a system learns, as frozen settings with pure functions."""
