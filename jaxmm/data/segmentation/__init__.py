"""Videos whose every frame has a label: features, labels with descriptions, and splits."""
