"""Encoders: Linen modules that turn motions and texts into embeddings."""
