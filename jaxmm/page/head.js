
/* Draws the head of a person who signs: its shape, hair and face. Lengths are shoulder widths, y grows downwards. */
const Head = (() => {
  const { mix, css, fillPath, hull, fillShaded, drawBall, outline } = Paint;
  const { sum, mean, unit, cross, dot } = Vector;

  /* The middle of the head and its axes, told from ears, chin and nose as far as they were detected. */
  function of(pose, signer, radius) {
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

  function draw(scene, { pose, signer, theme }) {
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

  return { of, draw };
})();
