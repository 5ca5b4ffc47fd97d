"use strict";

/* Decodes motions and reads them at any moment. Lengths are metres, y is up, angles are radians. */
const Motion = (() => {
  const FOLLOW_SECONDS = 0.35;

  /* Positions relative to where the figure starts: it stands on y = 0 and faces +z in its first frame. */
  function decode(figure, body) {
    const bytes = Uint8Array.from(atob(figure.data), (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const joints = bytes.length / 6 / figure.frames;
    const points = new Float32Array(bytes.length / 2);
    let floor = Infinity;
    for (let i = 0; i < points.length; i++) {
      points[i] = figure.middle[i % 3] + figure.step[i % 3] * view.getInt16(2 * i, true);
      if (i % 3 === 1) floor = Math.min(floor, points[i]);
    }
    // The thinnest limbs are hands and feet; the lowest of them rests on the ground.
    floor -= Math.min(...body.radii);
    const [startX, startZ] = [points[0], points[2]];
    const facing = heading(points, body);
    const [sin, cos] = [Math.sin(facing), Math.cos(facing)];
    for (let i = 0; i < points.length; i += 3) {
      const x = points[i] - startX;
      const z = points[i + 2] - startZ;
      points[i] = x * cos - z * sin;
      points[i + 1] -= floor;
      points[i + 2] = x * sin + z * cos;
    }
    const path = follow(points, joints, figure.fps * FOLLOW_SECONDS);
    return { points, joints, frames: figure.frames, fps: figure.fps, path, ...extent(points, joints, path, body) };
  }

  /* Where the first frame faces: left to right across the hips and shoulders, turned by a quarter. */
  function heading(points, body) {
    let x = 0;
    let z = 0;
    for (const [left, right] of body.trunk) {
      x += points[3 * left] - points[3 * right];
      z += points[3 * left + 2] - points[3 * right + 2];
    }
    return x === 0 && z === 0 ? 0 : Math.atan2(-z, x);
  }

  /* The camera's aim: the root's path, smoothed by a Gaussian that is cut at the ends. */
  function follow(points, joints, sigma) {
    const frames = points.length / 3 / joints;
    const reach = Math.ceil(3 * sigma);
    const path = new Float32Array(3 * frames);
    for (let frame = 0; frame < frames; frame++) {
      let total = 0;
      for (let near = Math.max(0, frame - reach); near <= Math.min(frames - 1, frame + reach); near++) {
        const weight = Math.exp(-(((near - frame) / sigma) ** 2) / 2);
        for (let axis = 0; axis < 3; axis++) path[3 * frame + axis] += weight * points[3 * joints * near + axis];
        total += weight;
      }
      for (let axis = 0; axis < 3; axis++) path[3 * frame + axis] /= total;
    }
    return path;
  }

  /* How far a motion reaches from the camera's aim: sideways, up and down. */
  function extent(points, joints, path, body) {
    let [reach, above, below] = [0, 0, 0];
    for (let i = 0; i < points.length; i += 3) {
      const aim = 3 * Math.floor(i / 3 / joints);
      const isHead = body.head && (i / 3) % joints === body.head.joint;
      const rise = points[i + 1] - path[aim + 1];
      reach = Math.max(reach, Math.hypot(points[i] - path[aim], points[i + 2] - path[aim + 2]));
      above = Math.max(above, rise + (isHead ? body.head.lift + body.head.radius : 0));
      below = Math.max(below, -rise);
    }
    const flesh = Math.min(...body.radii);
    return { reach: reach + flesh, above: above + flesh, below: below + flesh };
  }

  /* Joints at a moment, between two frames, seen from the camera's aim; `ground` is the height of the floor. */
  function poseAt(motion, seconds) {
    const at = Math.min(Math.max(seconds * motion.fps, 0), motion.frames - 1);
    const [before, after] = [Math.floor(at), Math.min(Math.floor(at) + 1, motion.frames - 1)];
    const blend = (array, width, index) =>
      array[before * width + index] * (1 - at + before) + array[after * width + index] * (at - before);
    const aim = [0, 1, 2].map((axis) => blend(motion.path, 3, axis));
    const pose = Array.from({ length: motion.joints }, (_, joint) =>
      aim.map((offset, axis) => blend(motion.points, 3 * motion.joints, 3 * joint + axis) - offset));
    return { pose, aim, ground: -aim[1], frame: at };
  }

  /* One frame for all figures beside each other, so that each fits its canvas and all share one scale. */
  function frameOf(motions) {
    const largest = (name, least) => Math.max(least, ...motions.map((motion) => motion[name]));
    const [above, below] = [largest("above", 0.4), largest("below", 0.4)];
    return { reach: largest("reach", 0.4), height: above + below, lift: (above - below) / 2 };
  }

  return { decode, poseAt, frameOf };
})();
