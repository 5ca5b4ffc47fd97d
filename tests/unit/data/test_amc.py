import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.amc import read_amc, read_amc_folder
from jaxmm.data.motion import Motion
from jaxmm.errors import DataError

from .acclaim_files import AMC, ASF, expected_positions


def read(folder: Path, *, asf: str = ASF, amc: str = AMC, **settings) -> Motion:
    (folder / "05.asf").write_text(asf)
    (folder / "05_03.amc").write_text(amc)
    settings = {"fps": 120.0, "metres_per_unit": 0.0254, "captions": ("a person kicks",), **settings}
    return read_amc(folder / "05_03.amc", skeleton=folder / "05.asf", **settings)


def test_bones_are_placed_as_an_independent_computation_places_them(tmp_path):
    motion = read(tmp_path)
    assert (motion.key, motion.fps, motion.num_frames) == ("05_03", 120.0, 2)
    np.testing.assert_allclose(motion.positions[1], expected_positions(), atol=1e-6)


def test_at_rest_bones_lie_along_their_directions(tmp_path):
    rest = read(tmp_path, metres_per_unit=0.45).positions[0]
    np.testing.assert_allclose(rest[0], [1, 2, 3], atol=1e-6)
    np.testing.assert_allclose(rest[1] - rest[0], [7 * 0.34202, -7 * 0.93969, 0], atol=1e-5)
    np.testing.assert_allclose(rest[2] - rest[1], [0.6, -0.4, 1.8], atol=1e-5)


def test_sided_bones_are_known_to_mirroring_and_others_keep_their_name(tmp_path):
    skeleton = read(tmp_path).skeleton
    assert skeleton.joint_names == ("root", "l_femur", "lfoot", "r_femur", "lowerback")
    assert skeleton.parents == (-1, 0, 1, 0, 0)
    assert skeleton.mirror_index() == (0, 3, 2, 1, 4)


def test_radians_and_degrees_give_the_same_motion(tmp_path):
    def to_radians(line: str) -> str:
        name, *words = line.split()
        numbers = [float(word) for word in words]
        kept = 3 if name == "root" else 0
        return " ".join([name, *map(str, numbers[:kept]), *map(str, np.radians(numbers[kept:]))])

    lines = [to_radians(line) if line[:1].isalpha() else line for line in AMC.splitlines()]
    in_radians = "\n".join(lines).replace(":DEGREES", ":RADIANS")
    np.testing.assert_allclose(read(tmp_path, amc=in_radians).positions, read(tmp_path).positions, atol=1e-6)


def test_the_order_of_the_axes_decides_and_the_order_of_the_channels_does_not(tmp_path):
    swapped = ASF.replace("dof rx rz", "dof rz rx"), AMC.replace("lfoot 15 -25", "lfoot -25 15")
    np.testing.assert_allclose(
        read(tmp_path, asf=swapped[0], amc=swapped[1]).positions, read(tmp_path).positions, atol=1e-6
    )
    other = read(tmp_path, asf=ASF.replace("axis 0 0 20 XYZ", "axis 0 0 20 ZYX"))
    assert np.abs(other.positions[1] - read(tmp_path).positions[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":root", ":rood", "no :root section"),
        ("length 0.45", "length 0", "unit of length is out of range"),
        ("angle deg", "angle grad", "neither deg nor rad"),
        ("name lfemur", "name rfemur", "bone 'rfemur' appears twice"),
        ("     name lfemur\n", "", "name comes before its other fields"),
        ("length 7.0", "length seven", "found 'seven' where 1 finite numbers belong"),
        ("direction 0 1 0", "direction 0 1", "found '0 1' where 3 finite numbers"),
        ("dof rx rz", "dof rx rx", "lists 'rx rx'"),
        ("dof rx rz", "dof tx rz", "bones that only turn are supported"),
        ("axis 0 0 20 XYZ", "axis 0 0 20 XXZ", "not three letters such as XYZ"),
        ("lfemur lfoot", "lfemur lhand", "names 'lhand', which :bonedata does not have"),
        ("lfemur lfoot", "lfemur lfoot rfemur", "names 'rfemur' twice"),
        ("    lfemur lfoot\n", "", "bone 'lfoot' has no place in the hierarchy"),
    ],
)
def test_faults_of_a_skeleton_are_named(tmp_path, old, new, message):
    assert old in ASF
    with pytest.raises(DataError, match=rf"05\.asf:\d+: .*{message}"):
        read(tmp_path, asf=ASF.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lfoot 15 -25", "lfoot 15", r"13: 1 values; 'lfoot' has 2 degrees"),
        ("lfoot 15 -25", "lhand 15 -25", r"13: 'lhand' is no bone of the skeleton that moves"),
        ("lfoot 15 -25\n", "", r"9: this frame has no values of 'lfoot'|no values of 'lfoot'"),
        ("lfoot 15 -25", "lfemur 1 2 3", "'lfemur' has values already"),
        ("lfoot 15 -25", "lfoot 15 nan", "holds 'nan', not a finite number"),
        ("lfoot 15 -25", "lfoot 15 1_0", "holds '1_0', not a finite number"),
        ("lfoot 15 -25", "lfoot 15 1e999", "holds '1e999', not a finite number"),
        ("\n2\n", "\n3\n", "frame 3 is not the one expected; number them from 1"),
        (":DEGREES", "hello", "3: found 'hello' before the first frame"),
    ],
)
def test_faults_of_a_motion_are_named(tmp_path, old, new, message):
    assert old in AMC
    with pytest.raises(DataError, match=rf"05_03\.amc:.*({message})"):
        read(tmp_path, amc=AMC.replace(old, new, 1))
    with pytest.raises(DataError, match="no frame; the file is not AMC"):
        read(tmp_path, amc=":DEGREES\n")


def test_a_folder_finds_each_skeleton_beside_its_motion_or_by_name(tmp_path):
    for folder in ("05", "06"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}_01.amc").write_text(AMC)
        (tmp_path / folder / f"{folder}.asf").write_text(ASF)
    rows = [
        {"file": "05/05_01.amc", "text": "a person kicks"},
        {"file": "06/06_01.amc", "texts": ["a kick", "kicking"], "fps": 60, "asf": "05/05.asf", "style": "old"},
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    first, second = read_amc_folder(tmp_path, fps=120.0, metres_per_unit=0.0254)
    assert (first.key, first.fps, second.fps, second.captions) == ("05/05_01", 120.0, 60.0, ("a kick", "kicking"))
    assert second.tags["style"] == "old"
    (tmp_path / "05" / "other.asf").write_text(ASF)
    with pytest.raises(DataError, match=r"05_01\.amc: 2 \.asf files beside it"):
        list(read_amc_folder(tmp_path, fps=120.0, metres_per_unit=0.0254))
    (tmp_path / "captions.jsonl").write_text("\n".join(json.dumps({**row, "asf": "../05.asf"}) for row in rows))
    with pytest.raises(DataError, match=r"captions\.jsonl:1: no skeleton '\.\./05\.asf'"):
        list(read_amc_folder(tmp_path, fps=120.0, metres_per_unit=0.0254))
