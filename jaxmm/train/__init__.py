"""Training: state, optimizer, compiled step, loop and writers; none of it knows a modality."""
