"""Actions in videos by a trained run: which class a video shows, how well it is told, and files of it."""
