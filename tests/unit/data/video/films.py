"""Videos that the tests write: each frame tells its number by its grey, and its corners which way up it is."""

import threading
from fractions import Fraction

import numpy as np

CODECS = {
    ".mp4": "libx264",
    ".mkv": "libx264",
    ".avi": "mpeg4",
    ".webm": "libvpx-vp9",
    ".mov": "mjpeg",
    ".ts": "libx264",
}
GREY_STEP = 4


def grey_frames(num_frames=30, height=48, width=64):
    """Frames whose grey is their number times `GREY_STEP`."""
    greys = (np.arange(num_frames) * GREY_STEP % 256).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (num_frames, height, width, 3)).copy()


def noisy_frames(num_frames=30, height=48, width=64, seed=0):
    """Frames that do not compress to nothing, so that damage hits something."""
    frames = grey_frames(num_frames, height, width)
    frames[:, ::2] = np.random.default_rng(seed).integers(0, 255, (num_frames, height // 2, width, 3))
    return frames


def numbers_of(pixels):
    """The numbers of the frames of `grey_frames`, by their greys."""
    return np.rint(pixels.reshape(len(pixels), -1).mean(axis=1) / GREY_STEP).astype(int).tolist()


def write_video(
    path, frames=None, *, fps=10, times=None, matrix=None, aspect=None, sound=0.0, codec=None, options=None, gop=None
):
    """Writes a video by the codec that goes with its ending; `times` are those of frames in ticks of 1/1000 s."""
    import av

    frames = grey_frames() if frames is None else frames
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec or CODECS[path.suffix], rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj420p" if stream.codec_context.name == "mjpeg" else "yuv420p"
        stream.bit_rate = 4_000_000  # enough for greys to come back as they were
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if gop is not None:
            stream.gop_size = gop
        if aspect is not None:
            stream.sample_aspect_ratio = aspect
        if matrix is not None:
            stream.set_display_matrix(matrix)
        if sound:
            _add_sound(container, sound)
        for place, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[place], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _add_sound(container, seconds):
    import av

    stream = container.add_stream("aac", rate=16000)
    quiet = av.AudioFrame.from_ndarray(np.zeros((1, int(16000 * seconds)), np.float32), format="fltp", layout="mono")
    quiet.sample_rate, quiet.pts = 16000, 0
    container.mux(stream.encode(quiet))
    container.mux(stream.encode())


def damaged(content, kind, rng):
    """Bytes of a video of which so much is missing, or something else, that it cannot be sound."""
    content = bytearray(content)
    size = len(content)
    match kind:
        case "cut":
            return content[: int(size * rng.uniform(0.02, 0.85))]
        case "empty":
            return bytearray()
        case "text":
            return bytearray(b"no video at all, but words\n" * 50)
        case "zeros":
            return bytearray(size)
        case "beginning":
            content[: max(400, size // 5)] = rng.integers(0, 256, max(400, size // 5), np.uint8).tobytes()
        case "junk":
            start = int(rng.uniform(0.2, 0.5) * size)
            content[start : start + size * 2 // 5] = rng.integers(0, 256, size * 2 // 5, np.uint8).tobytes()
        case "hole":
            start = int(rng.uniform(0.2, 0.5) * size)
            del content[start : start + size * 2 // 5]
        case "shuffled":
            blocks = [content[start : start + 512] for start in range(0, size, 512)]
            content = bytearray(b"".join(blocks[place] for place in rng.permutation(len(blocks))))
    return content


KINDS_OF_DAMAGE = ("cut", "empty", "text", "zeros", "beginning", "junk", "hole", "shuffled")


def in_threads(*calls):
    """Runs functions at once and returns what they return."""
    results = [None] * len(calls)

    def run(place, call):
        results[place] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
