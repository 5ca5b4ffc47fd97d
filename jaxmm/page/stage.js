
/* Draws figures in perspective on 2-D canvases. Lengths are metres, y is up, angles are radians. */
const Stage = (() => {
  const CAMERA_DISTANCE = 6;
  const GROUND_RADIUS = 1.7;
  const GRID_STEP = 0.5;
  const TRAIL_SECONDS = 2;
  const MARGIN = 0.92;
  const LABELS_HEIGHT = 28;
  const HOME = { yaw: -0.55, pitch: 0.2, zoom: 1 };
  const ORBIT = { home: HOME, yaw: { min: -Infinity, max: Infinity }, pitch: { min: 0.02, max: 1.5 }, zoom: { min: 0.5, max: 5 } };

  const { LIGHT, mix, css, fillShaded, drawBall, drawCapsule, outline } = Paint;

  /* Maps points to pixels below the strip at the top that holds rank and mark. */
  function projector(width, fullHeight, camera, frame) {
    const height = fullHeight - LABELS_HEIGHT;
    const [sinYaw, cosYaw] = [Math.sin(camera.yaw), Math.cos(camera.yaw)];
    const [sinPitch, cosPitch] = [Math.sin(camera.pitch), Math.cos(camera.pitch)];
    const tall = (frame.height / 2) * Math.cos(HOME.pitch) + 0.6 * frame.reach * Math.sin(HOME.pitch);
    const scale = MARGIN * camera.zoom * Math.min(height / 2 / tall, width / 2 / frame.reach);
    const project = ([x, y, z]) => {
      const towards = z * cosYaw - x * sinYaw;
      const up = y - frame.lift;
      const depth = up * sinPitch + towards * cosPitch;
      const size = (scale * CAMERA_DISTANCE) / Math.max(0.5, CAMERA_DISTANCE - depth);
      return {
        x: width / 2 + (x * cosYaw + z * sinYaw) * size,
        y: LABELS_HEIGHT + height / 2 - (up * cosPitch - towards * sinPitch) * size,
        depth,
        size,
      };
    };
    return { project, squash: sinPitch, scale };
  }

  const readTheme = () => Paint.readColours(["left", "right", "middle", "backdrop", "grid", "trail", "shadow", "shine", "shade"]);

  /* Fills with a colour that fades out towards the rim of the ground disc, seen in perspective. */
  function strokeFading(context, view, ground, colour, alpha) {
    const centre = view.project([0, ground, 0]);
    context.save();
    context.translate(centre.x, centre.y);
    context.scale(1, Math.max(0.02, view.squash));
    const fade = context.createRadialGradient(0, 0, 0, 0, 0, GROUND_RADIUS * centre.size);
    fade.addColorStop(0, css(colour, alpha));
    fade.addColorStop(0.45, css(colour, alpha * 0.7));
    fade.addColorStop(1, css(colour, 0));
    context.strokeStyle = fade;
    context.stroke();
    context.restore();
  }

  function drawGrid(context, view, theme, { aim, ground }) {
    context.beginPath();
    const ways = [(along, across) => [across, ground, along], (along, across) => [along, ground, across]];
    for (const [middle, at] of [[aim[0], ways[0]], [aim[2], ways[1]]]) {
      const first = Math.ceil((middle - GROUND_RADIUS) / GRID_STEP) * GRID_STEP;
      for (let line = first; line < middle + GROUND_RADIUS; line += GRID_STEP) {
        const half = Math.sqrt(GROUND_RADIUS ** 2 - (line - middle) ** 2);
        const [from, to] = [view.project(at(-half, line - middle)), view.project(at(half, line - middle))];
        context.moveTo(from.x, from.y);
        context.lineTo(to.x, to.y);
      }
    }
    context.lineWidth = 1.2;
    strokeFading(context, view, ground, theme.grid, 1);
  }

  /* The root's way over the ground: all of it faintly, the last moments more clearly. */
  function drawTrail(context, view, theme, motion, now) {
    const at = (frame) => {
      const root = 3 * motion.joints * frame;
      return view.project([motion.points[root] - now.aim[0], now.ground, motion.points[root + 2] - now.aim[2]]);
    };
    const step = Math.max(1, Math.round(motion.fps / 15));
    context.beginPath();
    for (let frame = 0; frame < motion.frames; frame += step) {
      const point = at(frame);
      context.lineTo(point.x, point.y);
    }
    context.lineWidth = 1.5;
    strokeFading(context, view, now.ground, theme.trail, 0.3);
    const oldest = Math.max(0, now.frame - TRAIL_SECONDS * motion.fps);
    for (let frame = Math.floor(now.frame); frame - step >= oldest; frame -= step) {
      const [from, to] = [at(frame - step), at(frame)];
      const age = (now.frame - frame) / (TRAIL_SECONDS * motion.fps);
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.lineWidth = 1 + 3 * (1 - age);
      context.strokeStyle = css(theme.trail, 0.55 * (1 - age));
      context.stroke();
    }
  }

  const blot = (() => {
    const canvas = document.createElement("canvas");
    let painted = "";
    return (colour) => {
      if (painted !== css(colour)) {
        painted = css(colour);
        canvas.width = canvas.height = 64;
        const context = canvas.getContext("2d");
        const fade = context.createRadialGradient(32, 32, 0, 32, 32, 32);
        [1, 0.78, 0.4, 0.12, 0].forEach((alpha, i) => fade.addColorStop(i / 4, css(colour, alpha)));
        context.fillStyle = fade;
        context.fillRect(0, 0, 64, 64);
      }
      return canvas;
    };
  })();

  /* Soft blots under the joints and the middles of bones; the higher, the wider and fainter. */
  function drawShadow(context, view, theme, { pose, ground }, body) {
    const sprite = blot(theme.shadow);
    const spots = body.bones.map(([parent, child]) => pose[parent].map((value, axis) => (value + pose[child][axis]) / 2));
    for (const [x, y, z] of [...pose, ...spots]) {
      const centre = view.project([x, ground, z]);
      const radius = (0.1 + 0.16 * (y - ground)) * centre.size;
      context.globalAlpha = 0.2 * Math.exp((ground - y) / 0.7);
      context.drawImage(sprite, centre.x - radius, centre.y - radius * view.squash, 2 * radius, 2 * radius * view.squash);
    }
    context.globalAlpha = 1;
  }

  /* Further parts blend into the backdrop, so that near and far limbs tell apart. */
  function tint(theme, name, depth) {
    return mix(theme[name], theme.backdrop, Math.min(0.45, Math.max(0, 0.12 - 0.45 * depth)));
  }

  /* Chest and pelvis are one surface under one light, so that no seam shows at the waist. */
  function drawTrunk(context, theme, shapes, colour) {
    context.beginPath();
    for (const points of shapes) {
      context.moveTo(...points[0]);
      points.forEach((point) => context.lineTo(...point));
      context.closePath();
    }
    const [xs, ys] = [0, 1].map((axis) => shapes.flat().map((point) => point[axis]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
    const reach = Math.min(right - left, bottom - top) / 2;
    fillShaded(context, theme, colour, middle, { x: LIGHT.x * reach * 1.5, y: LIGHT.y * reach * 0.6 }, 0.8);
  }

  const sum = (a, b, factor) => a.map((value, axis) => value + factor * b[axis]);
  const unit = (vector) => vector.map((value) => value / (Math.hypot(...vector) || 1));

  /* The middle of the head and its three axes; without shoulders nothing tells what is in front. */
  function headOf(body, pose) {
    const up = unit(sum(pose[body.head.joint], pose[body.head.base], -1));
    const ball = sum(pose[body.head.joint], up, body.head.lift);
    if (!body.trunk.length) return { ball, front: null };
    const [left, right] = body.trunk[0];
    const side = unit(sum(pose[left], pose[right], -1));
    const front = unit([side[1] * up[2] - side[2] * up[1], side[2] * up[0] - side[0] * up[2], side[0] * up[1] - side[1] * up[0]]);
    return { ball, front, side, up };
  }

  /* A dark visor on the front of the head; what lies beyond the horizon of the ball is drawn on its rim. */
  function drawFace(context, view, theme, head, centre, radius, colour) {
    context.beginPath();
    let visible = false;
    for (let i = 0; i < 32; i++) {
      const [across, rise] = [0.75 * Math.cos((i * Math.PI) / 16), 0.12 + 0.3 * Math.sin((i * Math.PI) / 16)];
      const towards = unit(sum(sum(head.front, head.side, across), head.up, rise));
      const point = view.project(sum(head.ball, towards, head.radius));
      const [x, y] = [point.x - centre.x, point.y - centre.y];
      const behind = point.depth < centre.depth;
      const stretch = behind ? radius / (Math.hypot(x, y) || 1) : 1;
      visible ||= !behind;
      context.lineTo(centre.x + x * stretch, centre.y + y * stretch);
    }
    if (!visible) return;
    context.fillStyle = css(mix(colour, theme.shade, 0.55));
    context.fill();
  }

  function drawHead(context, view, theme, head, colour) {
    const centre = view.project(head.ball);
    const radius = head.radius * centre.size;
    drawBall(context, theme, centre, radius, colour);
    if (head.front) drawFace(context, view, theme, head, centre, radius, colour);
  }

  function drawBody(context, view, theme, body, pose) {
    const seen = pose.map(view.project);
    const middle = body.trunk.flat();
    const trunkDepth = middle.reduce((total, joint) => total + seen[joint].depth, 0) / (middle.length || 1);
    const radius = (joint) => body.radii[joint] * seen[joint].size;
    const parts = body.bones.map(([parent, child, side]) => {
      const [from, to] = [seen[parent], seen[child]];
      const near = (from.depth + to.depth) / 2;
      // The neck rises out of the trunk, so the trunk covers where it begins.
      const depth = side === "middle" && middle.length ? trunkDepth - 0.001 : near;
      return { depth, draw: () => drawCapsule(context, theme, from, to, radius(parent), radius(child), tint(theme, side, near)) };
    });
    if (middle.length) {
      const shapes = body.trunk.map((joints) => outline(joints.map((joint) => ({ ...seen[joint], radius: radius(joint) }))));
      parts.push({ depth: trunkDepth, draw: () => drawTrunk(context, theme, shapes, tint(theme, "middle", trunkDepth)) });
    }
    if (body.head) {
      const head = { ...headOf(body, pose), radius: body.head.radius };
      const { depth } = view.project(head.ball);
      parts.push({ depth, draw: () => drawHead(context, view, theme, head, tint(theme, "middle", depth)) });
    }
    parts.sort((a, b) => a.depth - b.depth).forEach((part) => part.draw());
  }

  /* Draws one motion at a moment; `frame` is what Motion.frameOf gave for the motions shown together. */
  function draw(canvas, motion, body, seconds, camera, frame, theme) {
    const context = canvas.getContext("2d");
    const density = canvas.width / canvas.clientWidth;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const view = projector(canvas.clientWidth, canvas.clientHeight, camera, frame);
    const now = Motion.poseAt(motion, seconds);
    drawGrid(context, view, theme, now);
    drawTrail(context, view, theme, motion, now);
    drawShadow(context, view, theme, now, body);
    drawBody(context, view, theme, body, now.pose);
  }

  return { draw, readTheme, ORBIT };
})();
