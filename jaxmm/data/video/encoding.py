"""Encoding of clips in memory, for what it loses."""

from fractions import Fraction

import numpy as np
from jaxtyping import UInt8

from jaxmm.errors import ConfigError, MissingExtraError


def reencoded(
    frames: UInt8[np.ndarray, "time height width 3"], *, crf: int
) -> UInt8[np.ndarray, "time height width 3"]:
    """Returns what is left of a clip after H.264, at 25 frames a second, in memory.

    Args:
        frames: RGB values.
        crf: Constant rate factor, from 0 to 51; a greater one leaves less.

    Raises:
        ConfigError: If the installed FFmpeg has no encoder of H.264.
        MissingExtraError: If the extra `video` is not installed.

    Example:
        >>> reencoded(np.full((2, 15, 17, 3), 128, np.uint8), crf=40).shape
        (2, 15, 17, 3)
    """
    try:
        from av import CodecContext, VideoFrame
        from av.codec.codec import UnknownCodecError
        from av.video.codeccontext import VideoCodecContext
    except ImportError as error:
        raise MissingExtraError.of("av", extra="video") from error
    try:
        encoder = CodecContext.create("libx264", "w")
    except UnknownCodecError as error:
        raise ConfigError("FFmpeg as installed cannot encode H.264; leave out the kinds reencoded and mixed") from error
    decoder = CodecContext.create("h264", "r")
    assert isinstance(encoder, VideoCodecContext) and isinstance(decoder, VideoCodecContext)
    height, width = frames.shape[1:3]
    padded = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    encoder.height, encoder.width = padded.shape[1:3]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    # Without "mbtree=0" x264 reads memory beyond narrow pictures, and is not the same every time.
    encoder.options = {"crf": str(crf), "preset": "fast", "x264-params": "mbtree=0"}
    encoder.thread_count = decoder.thread_count = 1  # the same every time
    pictures = [VideoFrame.from_ndarray(own, format="rgb24") for own in padded]
    packets = [packet for picture in (*pictures, None) for packet in encoder.encode(picture)]
    shown = [own for packet in (*packets, None) for own in decoder.decode(packet)]
    return np.stack([own.to_ndarray(format="rgb24") for own in shown])[:, :height, :width]
