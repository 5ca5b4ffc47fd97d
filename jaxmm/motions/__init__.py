"""Runs that retrieve, in use: embeddings of motions and texts, evaluation, galleries to search, and files."""
