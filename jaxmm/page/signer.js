
/* Draws people who sign, in perspective, on 2-D canvases. Lengths are shoulder widths, x grows to the right of the
   image, y downwards, z away from the viewer; angles are radians. */
const Signer = (() => {
  const ABSENT = -32768;
  const DISTANCE = 7;
  const PIVOT = -0.2;
  const TRAIL_SECONDS = 0.45;
  const LABEL_HEIGHT = 18;
  const ORBIT = {
    home: { yaw: 0, pitch: 0, zoom: 1 }, yaw: { min: -1.25, max: 1.25 }, pitch: { min: -0.6, max: 0.8 }, zoom: { min: 0.5, max: 5 },
  };
  const { mix, css, fillShaded, drawBall, drawCapsule, outline } = Paint;

  const sum = (a, b, factor = 1) => a.map((value, axis) => value + factor * b[axis]);
  const mean = (points) => points[0].map((_, axis) => points.reduce((total, point) => total + point[axis], 0) / points.length);
  const unit = (vector) => vector.map((value) => value / (Math.hypot(...vector) || 1));
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const dot = (a, b) => a.reduce((total, value, axis) => total + value * b[axis], 0);
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
    const widths = ears.filter(([left, right]) => left && right).map(([left, right]) => Math.hypot(...sum(left, right, -1)));
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

  /* Maps points to pixels below the strip at the top that holds the label. */
  function projector(width, fullHeight, camera, space) {
    const height = fullHeight - LABEL_HEIGHT;
    const [sinYaw, cosYaw] = [Math.sin(camera.yaw), Math.cos(camera.yaw)];
    const [sinPitch, cosPitch] = [Math.sin(camera.pitch), Math.cos(camera.pitch)];
    const middle = (space.top + space.bottom) / 2;
    const scale = camera.zoom * Math.min(width / 2 / space.reach, height / (space.bottom - space.top));
    return ([x, y, z]) => {
      const [up, near] = [middle - y, PIVOT - z];
      const towards = near * cosYaw - x * sinYaw;
      const depth = up * sinPitch + towards * cosPitch;
      const size = (scale * DISTANCE) / Math.max(0.5, DISTANCE - depth);
      return { x: width / 2 + (x * cosYaw + near * sinYaw) * size, y: LABEL_HEIGHT + height / 2 - (up * cosPitch - towards * sinPitch) * size, depth, size };
    };
  }

  const readTheme = () => Paint.readColours(["left", "right", "garment", "skin", "hair", "pen", "lips", "eye", "backdrop", "shine", "shade"]);

  function fillPath(context, points) {
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.closePath();
  }

  function limb(scene, from, to, fromRadius, toRadius, colour) {
    const [a, b] = [scene.project(from), scene.project(to)];
    drawCapsule(scene.context, scene.theme, a, b, fromRadius * a.size, toRadius * b.size, colour);
  }

  const hull = (scene, balls) => outline(balls.map(([point, radius]) => {
    const { x, y, size } = scene.project(point);
    return { x, y, radius: radius * size };
  }));

  /* ---- Trunk ---- */

  function drawTrunk(scene, { pose, signer, theme }) {
    const [left, right] = ["left", "right"].map((side) => pose[signer.sides[side].arm[0]]);
    if (!left || !right) return;
    const { radii } = signer;
    const hips = ["left", "right"].map((side) => pose[signer.sides[side].leg[0]]);
    const [leftHip, rightHip] = hips[0] && hips[1] ? hips : [left, right].map((point) => sum([point[0] * 0.65, point[1], point[2]], [0, 1.4, 0]));
    for (const side of Object.values(signer.sides)) {
      const [hip, knee, ankle] = side.leg.map((landmark) => pose[landmark]);
      if (hip && knee) limb(scene, hip, knee, radii.hip, radii.knee, mix(theme.garment, theme.shade, 0.25));
      if (knee && ankle) limb(scene, knee, ankle, radii.knee, radii.ankle, mix(theme.garment, theme.shade, 0.25));
    }
    const neck = mean([left, right]);
    const hem = [leftHip, rightHip].map((hip) => sum(hip, [0, 0.4, 0]));
    const slope = sum(neck, [0, -0.11, 0]);
    const shape = hull(scene, [[left, radii.shoulder], [right, radii.shoulder], ...[leftHip, rightHip, ...hem].map((point) => [point, radii.hip]), [slope, 0.11]]);
    const [top, bottom] = [scene.project(sum(neck, [0, -0.1, 0])), scene.project(mean([leftHip, rightHip]))];
    fillPath(scene.context, shape);
    const middle = { x: (top.x + bottom.x) / 2, y: (top.y + bottom.y) / 2 };
    fillShaded(scene.context, theme, theme.garment, middle, { x: (top.x - bottom.x) / 2 - 0.25 * top.size, y: (top.y - bottom.y) / 2 }, 0.35);
    if (!scene.head) return;
    const base = sum(neck, [0, -0.08, -0.03]);
    const throat = sum(scene.head.middle, scene.head.up, -0.8 * scene.head.radius);
    limb(scene, base, throat, radii.neck * 1.25, radii.neck, mix(theme.skin, theme.shade, 0.2));
  }

  /* ---- Head ---- */

  /* The middle of the head and its axes, told from ears, chin and nose as far as they were detected. */
  function headOf(pose, signer, radius) {
    const [leftEar, rightEar] = signer.ears.map((landmark) => pose[landmark]);
    const [chin, tip] = [pose[signer.chin], pose[signer.tip] ?? pose[signer.nose]];
    if (!leftEar || !rightEar) return null;
    const middle = mean([leftEar, rightEar]);
    const side = unit(sum(leftEar, rightEar, -1));
    const shoulders = Object.values(signer.sides).map(({ arm }) => pose[arm[0]]).filter(Boolean);
    const below = chin ?? (shoulders.length ? mean(shoulders) : sum(middle, [0, 1, 0]));
    // The chin lies as far in front of the ears as below them where depth is known; only its height counts.
    const rough = unit([middle[0] - below[0], middle[1] - below[1], 0]);
    const front = unit(cross(rough, side).map((value) => -value));
    const facing = front[2] > 0 ? front.map((value) => -value) : front;
    const up = unit(cross(facing, side));
    const upright = up[1] > 0 ? up.map((value) => -value) : up;
    return { middle, side, up: upright, front: facing, radius, chin, tip };
  }

  function drawHead(scene, { pose, signer, theme }) {
    const { head, context } = scene;
    if (!head) return;
    const { radius } = head;
    const crown = sum(sum(head.middle, head.up, 0.42 * radius), head.front, 0.1 * radius);
    const jaw = head.chin ? sum(sum(head.chin, head.up, 0.68 * radius), head.front, -0.45 * radius) : sum(sum(head.middle, head.up, -0.95 * radius), head.front, 0.5 * radius);
    const cheeks = head.tip ? sum(head.tip, head.front, -0.85 * radius) : sum(head.middle, head.front, 0.3 * radius);
    const shape = hull(scene, [[crown, radius], [cheeks, 0.86 * radius], [jaw, 0.67 * radius]]);
    const centre = scene.project(crown);
    for (const [landmark, sign] of [[signer.ears[0], 1], [signer.ears[1], -1]]) {
      const ear = scene.project(sum(pose[landmark], head.side, sign * 0.04 * radius));
      drawBall(context, theme, ear, 0.19 * radius * ear.size, mix(theme.skin, theme.shade, 0.08));
    }
    fillPath(context, shape);
    const tall = 1.3 * radius * centre.size;
    fillShaded(context, theme, theme.skin, { x: centre.x, y: centre.y + 0.3 * tall }, { x: -0.35 * tall, y: -tall }, 0.3);
    drawHair(scene, head, crown, radius * 1.06, theme);
    const contours = Object.fromEntries(Object.entries(signer.contours).map(([name, landmarks]) => [name, landmarks.map((landmark) => pose[landmark])]));
    if (Object.values(contours).every((points) => points.every(Boolean))) drawFace(scene, head, contours, theme);
    else drawPlainFace(scene, pose, signer, theme);
  }

  /* A cap of hair: what lies behind a plane that rises towards the forehead, between its edge and the ball's rim. */
  function drawHair(scene, head, crown, radius, theme) {
    const axis = unit(sum(head.up, head.front, -0.62));
    const cut = 0.2;
    const across = unit(cross(axis, head.side));
    const rim = Math.sqrt(1 - cut * cut);
    const centre = scene.project(crown);
    const reach = radius * centre.size;
    const angles = Array.from({ length: 96 }, (_, i) => [Math.cos((i * Math.PI) / 48), Math.sin((i * Math.PI) / 48)]);
    const edge = arc(angles.map(([cos, sin]) => {
      const point = scene.project(sum(sum(sum(crown, axis, cut * radius), head.side, rim * radius * cos), across, rim * radius * sin));
      return point.depth >= centre.depth ? [point.x, point.y] : null;
    }));
    const round = arc(angles.map(([cos, sin]) =>
      dot(sum(scene.right.map((value) => value * cos), scene.up, sin), axis) >= cut ? [centre.x + reach * cos, centre.y - reach * sin] : null));
    if (edge.length && round.length) {
      const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (far(edge.at(-1), round[0]) > far(edge.at(-1), round.at(-1))) round.reverse();
    }
    if (edge.length + round.length < 3) return;
    fillPath(scene.context, [...edge, ...round]);
    fillShaded(scene.context, theme, theme.hair, { x: centre.x, y: centre.y - 0.5 * reach }, { x: -0.4 * reach, y: -0.7 * reach }, 0.25);
  }

  /* The points of a closed line that are not null, from the first one after a gap. */
  function arc(points) {
    const gap = points.findIndex((point) => !point);
    return [...points.slice(gap + 1), ...points.slice(0, gap + 1)].filter(Boolean);
  }

  function drawFace(scene, head, contours, theme) {
    const { context } = scene;
    const seen = Object.fromEntries(Object.entries(contours).map(([name, points]) => [name, points.map(scene.project).map(({ x, y }) => [x, y])]));
    const pixel = scene.project(head.middle).size;
    context.lineJoin = context.lineCap = "round";
    const tip = scene.project(head.tip);
    drawNose(context, tip, mix(theme.skin, theme.shade, 0.38), pixel);
    for (const name of ["left_eye", "right_eye"]) drawEye(context, seen[name], theme, pixel);
    for (const name of ["left_brow", "right_brow"]) {
      fillPath(context, seen[name]);
      context.fillStyle = context.strokeStyle = css(mix(theme.hair, theme.pen, 0.4));
      context.lineWidth = 0.008 * pixel;
      context.fill();
      context.stroke();
    }
    fillPath(context, seen.lips);
    context.fillStyle = context.strokeStyle = css(theme.lips);
    context.lineWidth = 0.008 * pixel;
    context.fill();
    context.stroke();
    fillPath(context, seen.mouth);
    context.fillStyle = context.strokeStyle = css(mix(theme.lips, theme.shade, 0.75));
    context.lineWidth = 0.006 * pixel;
    context.fill();
    context.stroke();
  }

  function drawNose(context, tip, colour, pixel) {
    const wide = 0.034 * pixel;
    context.beginPath();
    context.moveTo(tip.x - wide, tip.y + 0.012 * pixel);
    context.quadraticCurveTo(tip.x, tip.y + 0.045 * pixel, tip.x + wide, tip.y + 0.012 * pixel);
    context.strokeStyle = css(colour);
    context.lineWidth = 0.013 * pixel;
    context.stroke();
  }

  function drawEye(context, points, theme, pixel) {
    const xs = points.map(([x]) => x);
    const ys = points.map(([, y]) => y);
    const [x, y] = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
    context.save();
    fillPath(context, points);
    context.fillStyle = css(theme.eye);
    context.fill();
    context.clip();
    context.beginPath();
    context.arc(x, y, 0.027 * pixel, 0, 2 * Math.PI);
    context.fillStyle = css(theme.pen);
    context.fill();
    context.restore();
    fillPath(context, points);
    context.strokeStyle = css(theme.pen, 0.85);
    context.lineWidth = 0.011 * pixel;
    context.stroke();
  }

  /* Eyes and mouth as the body has them, where the face was not detected. */
  function drawPlainFace(scene, pose, signer, theme) {
    const { context } = scene;
    for (const eye of signer.eyes.map((landmark) => pose[landmark]).filter(Boolean)) {
      const { x, y, size } = scene.project(eye);
      context.beginPath();
      context.arc(x, y, 0.024 * size, 0, 2 * Math.PI);
      context.fillStyle = css(theme.pen);
      context.fill();
    }
    const mouth = signer.mouth.map((landmark) => pose[landmark]);
    if (!mouth[0] || !mouth[1]) return;
    const [from, to] = mouth.map(scene.project);
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.lineCap = "round";
    context.lineWidth = 0.03 * from.size;
    context.strokeStyle = css(theme.lips);
    context.stroke();
  }

  /* ---- Arms and hands ---- */

  function drawArm(scene, { pose, signer, theme }, name) {
    const { radii } = signer;
    const side = signer.sides[name];
    const [shoulder, elbow, wrist] = side.arm.map((landmark) => pose[landmark]);
    const hand = pose[side.wrist] ?? wrist;
    const sleeve = mix(theme.garment, theme.shine, 0.1);
    if (shoulder && elbow) limb(scene, shoulder, elbow, radii.shoulder, radii.elbow, sleeve);
    if (elbow && hand) limb(scene, elbow, hand, radii.elbow, radii.wrist, sleeve);
    if (pose[side.wrist]) drawHand(scene, pose, side, radii, theme[name], theme);
    else if (wrist) {
      const { x, y, size } = scene.project(wrist);
      drawBall(scene.context, theme, { x, y }, 1.25 * radii.wrist * size, mix(theme[name], theme.garment, 0.5));
    }
  }

  /* Palm and finger segments from far to near, each with a dark rim that sets it off from what lies behind. */
  function drawHand(scene, pose, side, radii, colour, theme) {
    const { context } = scene;
    const rim = css(mix(colour, theme.shade, 0.62));
    const palm = side.palm.map((landmark) => pose[landmark]).filter(Boolean).map(scene.project);
    const depths = palm.map(({ depth }) => depth);
    const parts = [{ depth: depths.reduce((a, b) => a + b, 0) / depths.length, draw: () => drawPalm(context, palm, radii.palm, mix(colour, theme.shade, 0.12), rim, theme) }];
    for (const finger of side.fingers) {
      const joints = finger.map((landmark) => pose[landmark]).filter(Boolean).map(scene.project);
      for (let i = 1; i < joints.length; i++) {
        const [from, to] = [joints[i - 1], joints[i]];
        const radius = radii.finger + ((radii.tip - radii.finger) * i) / (joints.length - 1);
        const last = i === joints.length - 1;
        // The outer end counts more: of two bones of a bent finger, the one that comes forward is in front.
        parts.push({ depth: (from.depth + 2 * to.depth) / 3, draw: () => drawFinger(context, from, to, radius, last, colour, rim, theme) });
      }
    }
    parts.sort((a, b) => a.depth - b.depth).forEach((part) => part.draw());
  }

  function drawPalm(context, points, radius, colour, rim, theme) {
    const around = (wide) => outline(points.map(({ x, y, size }) => ({ x, y, radius: wide * size })));
    fillPath(context, around(radius + 0.009));
    context.fillStyle = rim;
    context.fill();
    fillPath(context, around(radius));
    const [wrist, knuckle] = [points[0], points[Math.min(3, points.length - 1)]];
    const middle = { x: (wrist.x + knuckle.x) / 2, y: (wrist.y + knuckle.y) / 2 };
    fillShaded(context, theme, colour, middle, { x: -0.08 * wrist.size, y: -0.12 * wrist.size }, 0.3);
  }

  function drawFinger(context, from, to, radius, last, colour, rim, theme) {
    const width = 2 * radius * from.size;
    const stroke = (style, wide, cap, shift = 0) => {
      context.beginPath();
      context.moveTo(from.x + shift, from.y + shift);
      context.lineTo(to.x + shift, to.y + shift);
      context.lineCap = cap;
      context.lineWidth = wide;
      context.strokeStyle = style;
      context.stroke();
    };
    stroke(rim, width + 0.018 * from.size, last ? "round" : "butt");
    stroke(css(colour), width, "round");
    stroke(css(mix(colour, theme.shine, 0.38), 0.75), 0.3 * width, "round", -0.16 * width);
  }

  /* Where each hand has just been. */
  function drawTrails(scene, { motion, seconds, signer, theme }) {
    const { context } = scene;
    const steps = 14;
    for (const [name, side] of Object.entries(signer.sides)) {
      const points = Array.from({ length: steps + 1 }, (_, i) => seconds - (TRAIL_SECONDS * i) / steps).filter((at) => at >= 0)
        .map((at) => landmarkAt(motion, at, side.palm[3])).map((point) => point && scene.project(point));
      for (let i = 1; i < points.length; i++) {
        const [from, to] = [points[i - 1], points[i]];
        if (!from || !to) continue;
        context.beginPath();
        context.moveTo(from.x, from.y);
        context.lineTo(to.x, to.y);
        context.lineCap = "butt";
        context.lineWidth = 0.09 * from.size * (1 - i / points.length);
        context.strokeStyle = css(theme[name], 0.3 * (1 - i / points.length));
        context.stroke();
      }
    }
  }

  /* The lower edge fades, since a person who signs is seen from the hips up. */
  function fadeOut(context, width, height) {
    const fade = context.createLinearGradient(0, 0.9 * height, 0, height);
    fade.addColorStop(0, "rgb(0 0 0 / 0)");
    fade.addColorStop(1, "rgb(0 0 0 / 1)");
    context.globalCompositeOperation = "destination-out";
    context.fillStyle = fade;
    context.fillRect(0, 0.9 * height, width, height);
    context.globalCompositeOperation = "source-over";
  }

  /* Draws a clip at a moment; `space` is what is shown of all clips, so that they share one scale. */
  function draw(canvas, motion, signer, seconds, camera, space, theme) {
    const context = canvas.getContext("2d");
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
    context.clearRect(0, 0, width, height);
    const pose = poseAt(motion, seconds);
    const [sinYaw, cosYaw] = [Math.sin(camera.yaw), Math.cos(camera.yaw)];
    const [sinPitch, cosPitch] = [Math.sin(camera.pitch), Math.cos(camera.pitch)];
    const scene = {
      context, theme, project: projector(width, height, camera, space), head: headOf(pose, signer, motion.headRadius),
      right: [cosYaw, 0, -sinYaw], up: [sinYaw * sinPitch, -cosPitch, cosYaw * sinPitch],
    };
    const figure = { pose, signer, theme, motion, seconds };
    drawTrunk(scene, figure);
    drawHead(scene, figure);
    drawTrails(scene, figure);
    const nearness = (name) => {
      const side = signer.sides[name];
      const point = pose[side.wrist] ?? pose[side.arm[2]];
      return point ? scene.project(point).depth : -Infinity;
    };
    Object.keys(signer.sides).sort((a, b) => nearness(a) - nearness(b)).forEach((name) => drawArm(scene, figure, name));
    fadeOut(context, width, height);
  }

  return { ORBIT, decode, readTheme, draw };
})();
