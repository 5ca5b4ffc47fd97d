
/* Colours and shaded solids on 2-D canvases, lit from above. Lengths are pixels. */
const Paint = (() => {
  const LIGHT = { x: -0.45, y: -0.89 };

  const mix = (from, to, share) => from.map((value, i) => value + (to[i] - value) * share);
  const css = (colour, alpha = 1) => `rgb(${colour.map(Math.round).join(" ")} / ${alpha})`;
  const hex = (text) => [1, 3, 5].map((i) => parseInt(text.trim().slice(i, i + 2), 16));

  /* Reads colours `--name` of the page's style sheet, which depend on the reader's scheme. */
  function readColours(names) {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(names.map((name) => [name, hex(style.getPropertyValue(`--${name}`))]));
  }

  function fillShaded(context, theme, colour, middle, across, contrast) {
    const shade = context.createLinearGradient(
      middle.x + across.x, middle.y + across.y, middle.x - across.x, middle.y - across.y);
    shade.addColorStop(0, css(mix(colour, theme.shine, 0.12 + 0.2 * contrast)));
    shade.addColorStop(0.3, css(mix(colour, theme.shine, 0.1 + 0.08 * contrast)));
    shade.addColorStop(1, css(mix(colour, theme.shade, 0.16 + 0.22 * contrast)));
    context.fillStyle = shade;
    context.fill();
  }

  function drawBall(context, theme, centre, radius, colour) {
    const shade = context.createRadialGradient(
      centre.x + LIGHT.x * radius * 0.4, centre.y + LIGHT.y * radius * 0.4, radius * 0.1, centre.x, centre.y, radius);
    shade.addColorStop(0, css(mix(colour, theme.shine, 0.34)));
    shade.addColorStop(0.55, css(mix(colour, theme.shine, 0.06)));
    shade.addColorStop(1, css(mix(colour, theme.shade, 0.34)));
    context.beginPath();
    context.arc(centre.x, centre.y, radius, 0, 2 * Math.PI);
    context.fillStyle = shade;
    context.fill();
  }

  function drawCapsule(context, theme, from, to, fromRadius, toRadius, colour) {
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    if (length <= Math.abs(fromRadius - toRadius)) {
      drawBall(context, theme, fromRadius > toRadius ? from : to, Math.max(fromRadius, toRadius), colour);
      return;
    }
    const along = Math.atan2(to.y - from.y, to.x - from.x);
    const tangent = Math.acos((fromRadius - toRadius) / length);
    context.beginPath();
    context.arc(from.x, from.y, fromRadius, along + tangent, along - tangent + 2 * Math.PI);
    context.arc(to.x, to.y, toRadius, along - tangent, along + tangent);
    context.closePath();
    const normal = { x: -Math.sin(along), y: Math.cos(along) };
    const lit = normal.x * LIGHT.x + normal.y * LIGHT.y;
    const reach = Math.max(fromRadius, toRadius) * Math.sign(lit || 1);
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    fillShaded(context, theme, colour, middle, { x: normal.x * reach, y: normal.y * reach }, Math.abs(lit));
  }

  /* The convex outline of discs, by Andrew's monotone chain over points on their rims. */
  function outline(discs) {
    const rim = discs.flatMap(({ x, y, radius }) =>
      Array.from({ length: 20 }, (_, i) => [x + radius * Math.cos((i * Math.PI) / 10), y + radius * Math.sin((i * Math.PI) / 10)]));
    rim.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const half = (points) => {
      const chain = [];
      for (const point of points) {
        while (chain.length > 1) {
          const [a, b] = chain.slice(-2);
          if ((b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]) > 0) break;
          chain.pop();
        }
        chain.push(point);
      }
      return chain.slice(0, -1);
    };
    return [...half(rim), ...half(rim.reverse())];
  }

  function fillPath(context, points) {
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.closePath();
  }

  /* The convex outline of balls, given as points in space with their radii, as the scene projects them. */
  const hull = (scene, balls) => outline(balls.map(([point, radius]) => {
    const { x, y, size } = scene.project(point);
    return { x, y, radius: radius * size };
  }));

  return { LIGHT, mix, css, readColours, fillPath, hull, fillShaded, drawBall, drawCapsule, outline };
})();
