
/* The page around people who sign: a gallery of texts, of which one can be opened large and alone. */
(() => {
  const PAUSE_SECONDS = 0.6;
  const FEW = 6;

  const { signer, space, facts, entries } = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const [filter, order, list] = ["filter", "order", "entries"].map(byId);
  let theme = Signer.readTheme();
  const player = Player(() => { theme = Signer.readTheme(); });
  const orbit = Orbit(Signer.ORBIT, () => player.invalidate());
  const decoded = new Map();
  const secondsOf = ({ frames, fps }) => frames / fps;
  const lengths = entries.map(({ clips }) => Math.max(...clips.map(secondsOf)));
  const names = [...new Set(entries.flatMap(({ clips }) => clips.flatMap(({ scores }) => scores.map(([name]) => name))))];
  let alone = null;
  let shown = [];

  const scoreOf = (entry, name) => entry.clips.flatMap(({ scores }) => scores).find(([own]) => own === name)?.[1] ?? Infinity;
  const tell = (score) => (Number.isInteger(score) ? `${score}` : score.toFixed(3));

  /* Clips are decoded when they are first seen, so that pages of many open at once. */
  const motionOf = (clip) => {
    if (!decoded.has(clip)) decoded.set(clip, Signer.decode(clip, signer));
    return decoded.get(clip);
  };

  function figureOf(clip, length, entry, cards) {
    const ends = secondsOf(clip);
    const canvas = element("canvas", { role: "img", tabindex: "0", "aria-label": `${clip.label}: ${entry.text}`, "aria-describedby": "hint" });
    const progress = element("span", { class: "progress", "aria-hidden": "true" }, element("span", {}));
    progress.style.width = `${(100 * ends) / length}%`;
    // Clips of a text start together; the shorter ones rest in their last frame until the longest has ended.
    const draw = (seconds) => {
      const at = Math.min(seconds % (length + PAUSE_SECONDS), ends);
      Signer.draw(canvas, motionOf(clip), signer, at, orbit.camera, space, theme);
      progress.firstChild.style.width = `${(100 * at) / ends}%`;
    };
    orbit.listen(canvas);
    cards.push({ canvas, draw, key: clip.key });
    const scores = clip.scores.map(([name, score]) => element("div", {}, element("dt", {}, name), element("dd", {}, tell(score))));
    const about = [`${ends.toFixed(1)} s`, `${clip.frames} frames`, clip.signer].filter(Boolean).join(" · ");
    return element("figure", {},
      element("div", { class: "stage" }, canvas, element("span", { class: `mark ${clip.label === "generated" ? "made" : ""}` }, clip.label), progress),
      element("figcaption", {}, element("p", { class: "note" }, about), scores.length ? element("dl", { class: "scores" }, ...scores) : null));
  }

  function entryOf(index, cards) {
    const entry = entries[index];
    const figures = entry.clips.map((clip) => figureOf(clip, lengths[index], entry, cards));
    const link = element("a", { href: `#n=${index}`, title: "Open large" }, entry.text);
    return element("li", { class: `card entry${entry.clips.length > 1 ? " several" : ""}` },
      element("h2", {}, link), element("div", { class: "figures" }, ...figures));
  }

  function indices() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = entries.map((_, index) => index).filter((index) => words.every((word) => entries[index].text.toLowerCase().includes(word)));
    const [name, sign] = order.value ? [order.value.slice(1), order.value[0] === "-" ? -1 : 1] : [null, 1];
    if (name !== null) found.sort((a, b) => sign * (scoreOf(entries[a], name) - scoreOf(entries[b], name)));
    return found;
  }

  function show() {
    const found = alone === null ? indices() : [alone];
    const cards = [];
    list.replaceChildren(...found.map((index) => entryOf(index, cards)));
    list.className = alone === null ? `gallery${entries.some(({ clips }) => clips.length > 1) ? " wide" : ""}` : "alone";
    byId("tools").hidden = alone !== null || entries.length <= FEW;
    byId("leaf").hidden = alone === null || entries.length === 1;
    byId("count").textContent = found.length === entries.length ? `${found.length} texts` : `${found.length} of ${entries.length}`;
    shown = found;
    player.show(cards, Math.max(0, ...found.map((index) => lengths[index] + PAUSE_SECONDS)));
  }

  /* Opens one entry large, or with null all of them. */
  function open(index) {
    location.hash = index === null ? "#all" : `#n=${index}`;
  }

  function follow() {
    const found = location.hash.match(/^#n=(\d+)$/);
    const index = found && Number(found[1]) < entries.length ? Number(found[1]) : null;
    alone = index ?? (entries.length === 1 ? 0 : null);
    show();
    scrollTo(0, 0);
  }

  const step = (by) => open((alone + by + entries.length) % entries.length);

  showFacts(facts);
  order.append(element("option", { value: "" }, "as given"),
    ...names.flatMap((name) => [element("option", { value: `+${name}` }, `${name}, least first`), element("option", { value: `-${name}` }, `${name}, most first`)]));
  byId("ordering").hidden = !names.length;
  filter.addEventListener("input", show);
  order.addEventListener("change", show);
  byId("reset").addEventListener("click", orbit.reset);
  byId("all").addEventListener("click", () => open(null));
  byId("before").addEventListener("click", () => step(-1));
  byId("after").addEventListener("click", () => step(1));
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => { if (event.key === "Escape" && alone !== null && entries.length > 1) open(null); });
  follow();

  window.jaxmmPage = {
    open,
    seek: player.seek,
    play: player.play,
    pause: player.pause,
    frame: () => ({ alone, shown, seconds: player.clock.seconds, playing: player.clock.playing, ...orbit.camera }),
  };
})();
