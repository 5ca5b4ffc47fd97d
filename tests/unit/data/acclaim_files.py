"""A small Acclaim skeleton with turned axes, and a second implementation of its kinematics."""

import numpy as np

ASF = """# a leg and a one-sided tail
:version 1.10
:name VICON
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
   .ast/.asf automatically generated
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 1 2 3
   orientation 0 0 0
:bonedata
  begin
     id 1
     name lfemur
     direction 0.34202 -0.93969 0
     length 7.0
     axis 0 0 20 XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 2
     name rfemur
     direction -0.34202 -0.93969 0
     length 7.0
     axis 0 0 -20 XYZ
    dof rx ry rz
  end
  begin
     id 3
     name lfoot
     direction 0.3 -0.2 0.9
     length 2.0
     axis -90 10 20 XYZ
    dof rx rz
  end
  begin
     id 4
     name lowerback
     direction 0 1 0
     length 3.0
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root lfemur rfemur lowerback
    lfemur lfoot
  end
"""

AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 0 0 0 0 0 0
lfemur 0 0 0
rfemur 0 0 0
lfoot 0 0
2
root 9.5 17.9 -17.3 -2 30 -45
lfemur -30 10 5.5
rfemur 20 -10 1e1
lfoot 15 -25
"""

FRAME = {
    "root": (9.5, 17.9, -17.3, -2, 30, -45),
    "lfemur": (-30, 10, 5.5),
    "rfemur": (20, -10, 10),
    "lfoot": (15, 0, -25),
}


def matrix(x: float, y: float, z: float) -> np.ndarray:
    """Turns about fixed x, then y, then z, in degrees; written out, as the format's description has it."""
    x, y, z = np.radians([x, y, z])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def expected_positions() -> np.ndarray:
    """Positions of the second frame in metres, bone by bone: global = parent's global C M C^-1."""
    root = np.array([1, 2, 3]) + FRAME["root"][:3]
    body = matrix(*FRAME["root"][3:])
    left_axes, right_axes, foot_axes = matrix(0, 0, 20), matrix(0, 0, -20), matrix(-90, 10, 20)
    left = body @ left_axes @ matrix(*FRAME["lfemur"]) @ np.linalg.inv(left_axes)
    right = body @ right_axes @ matrix(*FRAME["rfemur"]) @ np.linalg.inv(right_axes)
    foot = left @ foot_axes @ matrix(*FRAME["lfoot"]) @ np.linalg.inv(foot_axes)
    left_end = root + left @ (7 * np.array([0.34202, -0.93969, 0]))
    places = [
        root,
        left_end,
        left_end + foot @ (2 * np.array([0.3, -0.2, 0.9])),
        root + right @ (7 * np.array([-0.34202, -0.93969, 0])),
        root + body @ np.array([0, 3, 0]),
    ]
    return np.array(places) / 0.45 * 0.0254
