"""Joint positions against an independent reader of BVH files."""

from pathlib import Path

import bvhio
import numpy as np
import pytest

from jaxmm.data.bvh import read_bvh

NUM_COMPARED = 4
# Relative to the farthest joint of the frame; the reference computes in single precision.
TOLERANCE = 1e-5


def assert_agrees_with_reference(path: Path) -> None:
    motion = read_bvh(path, metres_per_unit=1.0, captions=("a motion",))
    reference = bvhio.readAsHierarchy(str(path))
    for frame in np.linspace(0, motion.num_frames - 1, NUM_COMPARED).astype(int).tolist():
        reference.loadPose(frame)
        places = {joint.Name: np.array(joint.PositionWorld) for joint, _, _ in reference.layout()}
        expected = np.stack([places[name] for name in motion.skeleton.joint_names])
        np.testing.assert_allclose(motion.positions[frame], expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def generated_bvh(seed: int) -> str:
    """Writes a random tree whose joints have random offsets, channel orders and angles; some have positions too."""
    generator = np.random.default_rng(seed)
    num_joints, num_frames = 12, 8
    parents = [-1] + [int(generator.integers(0, joint)) for joint in range(1, num_joints)]
    num_channels = 0

    def numbers(count: int, scale: float) -> str:
        return " ".join(f"{value:.6f}" for value in generator.uniform(-scale, scale, count))

    def block(joint: int) -> str:
        nonlocal num_channels
        kinds = ("position", "rotation") if joint == 0 or generator.random() < 0.3 else ("rotation",)
        channels = [f"{axis}{kind}" for kind in kinds for axis in generator.permutation(list("XYZ"))]
        num_channels += len(channels)
        children = [child for child, parent in enumerate(parents) if parent == joint]
        inside = "".join(block(child) for child in children) or f"End Site\n{{\nOFFSET {numbers(3, 1)}\n}}\n"
        return (
            f"{'JOINT' if joint else 'ROOT'} joint{joint}\n{{\nOFFSET {numbers(3, 10)}\n"
            f"CHANNELS {len(channels)} {' '.join(channels)}\n{inside}}}\n"
        )

    hierarchy = f"HIERARCHY\n{block(0)}"
    frames = "".join(f"{numbers(num_channels, 180)}\n" for _ in range(num_frames))
    return f"{hierarchy}MOTION\nFrames: {num_frames}\nFrame Time: 0.02\n{frames}"


@pytest.mark.parametrize("seed", range(5))
def test_generated_files_agree(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "generated.bvh"
    path.write_text(generated_bvh(seed))
    assert_agrees_with_reference(path)


@pytest.mark.parametrize("name", ["cmu_05_03", "cmu_09_03", "cmu_09_08", "bandai_dataset-1_kick_normal_001"])
def test_real_files_agree(shared_data: Path, name: str) -> None:
    assert_agrees_with_reference(shared_data / "motion" / "bvh" / f"{name}.bvh")
