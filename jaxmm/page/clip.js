
/* Points in space as arrays of three numbers. */
const Vector = (() => {
  const sum = (a, b, factor = 1) => a.map((value, axis) => value + factor * b[axis]);
  const mean = (points) => points[0].map((_, axis) => points.reduce((total, point) => total + point[axis], 0) / points.length);
  const unit = (vector) => vector.map((value) => value / (Math.hypot(...vector) || 1));
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const dot = (a, b) => a.reduce((total, value, axis) => total + value * b[axis], 0);

  return { sum, mean, unit, cross, dot };
})();

/* Decodes clips of signing and reads them at any moment. */
const Clip = (() => {
  const ABSENT = -32768;
  const quantile = (values, share) => values.sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];

  /* Positions of each landmark in each frame; not numbers where it was not detected. */
  function decode(clip, signer) {
    const bytes = Uint8Array.from(atob(clip.data), (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const points = new Float32Array(bytes.length / 2);
    for (let i = 0; i < points.length; i++) {
      const steps = view.getInt16(2 * i, true);
      points[i] = steps === ABSENT ? NaN : clip.middle[i % 3] + clip.step[i % 3] * steps;
    }
    const motion = { points, landmarks: points.length / 3 / clip.frames, frames: clip.frames, fps: clip.fps };
    const ears = Array.from({ length: clip.frames }, (_, frame) => signer.ears.map((landmark) => pointAt(motion, frame, landmark)));
    const widths = ears.filter(([left, right]) => left && right).map(([left, right]) => Math.hypot(...Vector.sum(left, right, -1)));
    return { ...motion, headRadius: 0.56 * (quantile(widths, 0.5) || 0.38) };
  }

  function pointAt({ points, landmarks }, frame, landmark) {
    const start = 3 * (frame * landmarks + landmark);
    return Number.isNaN(points[start]) ? null : [points[start], points[start + 1], points[start + 2]];
  }

  /* A landmark at a moment, between two frames; null where it was not detected. */
  function landmarkAt(motion, seconds, landmark) {
    const at = Math.min(Math.max(seconds * motion.fps, 0), motion.frames - 1);
    const before = Math.floor(at);
    const share = at - before;
    const from = pointAt(motion, before, landmark);
    if (!share) return from;
    const to = pointAt(motion, before + 1, landmark);
    if (!from || !to) return share < 0.5 ? from : to;
    return from.map((value, axis) => value + share * (to[axis] - value));
  }

  const poseAt = (motion, seconds) => Array.from({ length: motion.landmarks }, (_, landmark) => landmarkAt(motion, seconds, landmark));

  return { decode, landmarkAt, poseAt };
})();
