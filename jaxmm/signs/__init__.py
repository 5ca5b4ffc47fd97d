"""Runs that sign, and autoencoders of signing, in use: their clips and codes, evaluation, files and galleries."""
