
/* Draws people who sign, in perspective, on 2-D canvases. Lengths are shoulder widths, x grows to the right of the
   image, y downwards, z away from the viewer; angles are radians. */
const Signer = (() => {
  const DISTANCE = 7;
  const PIVOT = -0.2;
  const TRAIL_SECONDS = 0.45;
  const LABEL_HEIGHT = 18;
  const ORBIT = {
    home: { yaw: 0, pitch: 0, zoom: 1 }, yaw: { min: -1.25, max: 1.25 }, pitch: { min: -0.6, max: 0.8 }, zoom: { min: 0.5, max: 5 },
  };
  const { mix, css, fillPath, hull, fillShaded, drawBall, drawCapsule, outline } = Paint;
  const { sum, mean } = Vector;
  const { decode, landmarkAt, poseAt } = Clip;

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

  function limb(scene, from, to, fromRadius, toRadius, colour) {
    const [a, b] = [scene.project(from), scene.project(to)];
    drawCapsule(scene.context, scene.theme, a, b, fromRadius * a.size, toRadius * b.size, colour);
  }

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
      context, theme, project: projector(width, height, camera, space), head: Head.of(pose, signer, motion.headRadius),
      right: [cosYaw, 0, -sinYaw], up: [sinYaw * sinPitch, -cosPitch, cosYaw * sinPitch],
    };
    const figure = { pose, signer, theme, motion, seconds };
    drawTrunk(scene, figure);
    Head.draw(scene, figure);
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
