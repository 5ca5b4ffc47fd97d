"""Data: sources, packed storage, transforms and pipelines in NumPy and Grain; nothing here imports JAX."""
