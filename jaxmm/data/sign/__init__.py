"""Signing as landmarks: body, hands and face of one person, frame by frame."""
