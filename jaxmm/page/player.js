
/* Makes an element; children that are strings become text, so nothing in the data is ever read as markup. */
function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/* One clock for all figures on a page. A card is a canvas with `draw(seconds)`, which is called while it is in sight;
   `restyle` is called when the reader's colour scheme changes. */
const Player = (restyle) => {
  const MILLISECONDS_PER_DRAW = 1000 / 60;
  const byId = (id) => document.getElementById(id);
  const scrub = byId("scrub");
  const clock = { seconds: 0, length: 1, speed: 1, playing: !matchMedia("(prefers-reduced-motion: reduce)").matches };
  let cards = [];
  let scheduled = false;
  let lastDraw = 0;

  /* Canvases out of sight hold no pixels, so that long pages stay light. */
  function fit({ canvas, visible }) {
    const density = visible ? Math.min(2, devicePixelRatio || 1) : 0;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((length) => Math.round(length * density));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    return canvas.width > 0 && canvas.height > 0;
  }

  function drawCards() {
    for (const card of cards) if (fit(card)) card.draw(clock.seconds);
    if (document.activeElement !== scrub || clock.playing) scrub.value = clock.seconds;
    byId("time").textContent = `${clock.seconds.toFixed(1)} / ${clock.length.toFixed(1)} s`;
    scrub.setAttribute("aria-valuetext", byId("time").textContent);
  }

  function tick(now) {
    scheduled = false;
    const elapsed = now - lastDraw;
    // A little early is on time: screens of 60 Hz report slightly less than a sixtieth.
    if (elapsed < MILLISECONDS_PER_DRAW - 2) return invalidate();
    lastDraw = now;
    // A tab that was away goes on where it was instead of jumping.
    if (clock.playing) clock.seconds = (clock.seconds + (Math.min(elapsed, 100) / 1000) * clock.speed) % clock.length;
    drawCards();
    if (cards.every(({ visible }) => visible !== null)) document.documentElement.dataset.ready = "1";
    if (clock.playing && cards.some(({ visible }) => visible)) invalidate();
  }

  function invalidate() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(tick);
  }

  function setPlaying(playing) {
    clock.playing = playing;
    byId("play").textContent = playing ? "Pause" : "Play";
    invalidate();
  }

  function seek(seconds) {
    clock.seconds = Math.min(clock.length, Math.max(0, seconds));
    invalidate();
  }

  const cardWith = (canvas) => cards.find((card) => card.canvas === canvas);
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (cardWith(target)) cardWith(target).visible = isIntersecting;
    invalidate();
  }, { rootMargin: "80px" });
  const sized = new ResizeObserver(drawCards);

  /* Plays other cards, which are in the document, from the start. */
  function show(shown, length) {
    seen.disconnect();
    sized.disconnect();
    cards = shown.map((card) => Object.assign(card, { visible: null }));
    for (const { canvas } of cards) {
      seen.observe(canvas);
      sized.observe(canvas);
    }
    clock.length = length || 1;
    clock.seconds = 0;
    scrub.max = clock.length;
    invalidate();
  }

  scrub.addEventListener("input", () => { setPlaying(false); seek(Number(scrub.value)); });
  byId("play").addEventListener("click", () => setPlaying(!clock.playing));
  byId("speed").addEventListener("change", (event) => { clock.speed = Number(event.target.value); });
  addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest?.("input, select, button, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
    setPlaying(!clock.playing);
    event.preventDefault();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { restyle(); invalidate(); });
  setPlaying(clock.playing);

  return { show, seek, invalidate, play: () => setPlaying(true), pause: () => setPlaying(false), clock };
};

/* Writes what a reader must know about the run into the masthead. */
function showFacts(facts) {
  const rows = facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  document.getElementById("facts").append(...rows);
}
