"""Runs that retrieve, in use: embeddings of motions and texts, galleries to search, and files."""
