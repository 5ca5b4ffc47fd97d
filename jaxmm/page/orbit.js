
/* The camera that all figures share, and the pointer, wheel and keys that move it; `changed` is called after.
   `limits` has where the camera is at home, and how far it may turn and zoom. */
const Orbit = (limits, changed) => {
  const camera = { ...limits.home };
  const clamp = (value, { min, max }) => Math.min(max, Math.max(min, value));

  function turn(yaw, pitch) {
    camera.yaw = clamp(camera.yaw + yaw, limits.yaw);
    camera.pitch = clamp(camera.pitch + pitch, limits.pitch);
    changed();
  }

  function zoom(factor) {
    camera.zoom = clamp(camera.zoom * factor, limits.zoom);
    changed();
  }

  function reset() {
    Object.assign(camera, limits.home);
    changed();
  }

  /* One pointer turns, two pinch; a focused figure also follows the keys and the wheel. */
  function listen(canvas) {
    const pointers = new Map();
    const spread = () => {
      const [a, b] = [...pointers.values()];
      return Math.hypot(a.x - b.x, a.y - b.y);
    };
    canvas.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const wide = pointers.size === 2 ? spread() : 0;
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (pointers.size === 1) turn((before.x - event.clientX) * -0.01, (event.clientY - before.y) * 0.008);
      else if (wide) zoom(spread() / wide);
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => {
      // Elsewhere the wheel scrolls the page; browsers report a pinch on a touchpad as wheel with control.
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)));
    }, { passive: false });
    canvas.addEventListener("dblclick", reset);
    const keys = {
      ArrowLeft: () => turn(-0.15, 0), ArrowRight: () => turn(0.15, 0), ArrowUp: () => turn(0, -0.1), ArrowDown: () => turn(0, 0.1),
      "+": () => zoom(1.15), "=": () => zoom(1.15), "-": () => zoom(1 / 1.15), Home: reset, 0: reset,
    };
    canvas.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  return { camera, listen, reset };
};
