"""Videos as frames: decoding in processes of their own, sampling, augmentation, labelled sources, cached features."""
