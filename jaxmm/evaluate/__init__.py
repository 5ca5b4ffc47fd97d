"""Evaluation: retrieval metrics, the protocols they follow, and pictures of embeddings."""
