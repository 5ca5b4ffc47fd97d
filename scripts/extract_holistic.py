"""Runs MediaPipe Holistic over videos and writes one `.pose` file for each, which `jaxmm data prepare-sign` reads.

MediaPipe needs other versions of NumPy than jaxmm, so this script runs in an environment of its own and imports
nothing of jaxmm:

    python -m venv holistic
    holistic/bin/pip install mediapipe==0.10.21 'numpy<2' 'pose-format>=0.15'
    holistic/bin/python scripts/extract_holistic.py VIDEO ... --out POSES

Videos that have a `.pose` file in the folder already are left out, so the same command goes on after an interruption.
"""

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def frames_of(capture) -> Iterator:
    """Yields the RGB frames of an opened video."""
    import cv2

    while True:
        there, frame = capture.read()
        if not there:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def extract(video: Path, model_complexity: int):
    """Returns the landmarks of a video, in pixels."""
    import cv2
    from pose_format.utils.holistic import load_holistic

    capture = cv2.VideoCapture(str(video))
    fps, width, height = (
        capture.get(field) for field in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    frames = frames_of(capture)
    if not capture.isOpened() or fps <= 0 or width <= 0:
        raise ValueError("not a video that OpenCV reads; convert it, for example to H.264 in an .mp4 file")
    try:
        return load_holistic(
            frames,
            fps=fps,
            width=int(width),
            height=int(height),
            additional_holistic_config={"model_complexity": model_complexity},
        )
    finally:
        capture.release()


def detected(pose) -> str:
    """Returns in how many per cent of the frames each component was detected."""
    shares, start = [], 0
    for component in pose.header.components:
        end = start + len(component.points)
        if component.name != "POSE_WORLD_LANDMARKS":
            share = (pose.body.confidence[:, 0, start:end] > 0).any(axis=1).mean()
            shares.append(f"{component.name.removesuffix('_LANDMARKS').lower()} {share:.0%}")
        start = end
    return ", ".join(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO")
    parser.add_argument("--out", type=Path, required=True, help="folder of the .pose files")
    parser.add_argument(
        "--model_complexity", type=int, choices=(0, 1, 2), default=1, help="size of the body model; 0 and 2 download it"
    )
    options = parser.parse_args()
    for package in ("mediapipe", "pose_format"):
        if importlib.util.find_spec(package) is None:
            parser.error(f"{package} is not installed; make the environment that --help describes")
    names = [video.stem for video in options.videos]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        parser.error(f"two videos are named {repeated[0]}, and would write one file; rename one")
    options.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for video in options.videos:
        path = options.out / f"{video.stem}.pose"
        if path.exists():
            continue
        start = time.perf_counter()
        try:
            pose = extract(video, options.model_complexity)
        except ValueError as error:
            print(f"{video}: {error}", file=sys.stderr)
            failed = True
            continue
        building = path.with_suffix(".part")
        with building.open("wb") as file:
            pose.write(file)
        building.replace(path)
        seconds, num_frames = time.perf_counter() - start, len(pose.body.data)
        print(f"{path}: {num_frames} frames at {pose.body.fps:g} fps in {seconds:.1f} s; detected {detected(pose)}")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
