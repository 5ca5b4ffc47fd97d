"""Runs that answer every frame of a video, in use: their answers, evaluation, enhanced features and comparison."""
