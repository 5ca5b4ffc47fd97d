"""Videos rendered from real motion: figures before a camera, with the actions that they show as labels."""
