
/* The page around the figures: finds queries, shows their answers, keeps time and the shared camera. */
(() => {
  const ROW_HEIGHT = 54;
  const MANY_CAPTIONS = 3;

  const { body, facts, figures, queries } = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const [filter, list, runway] = ["filter", "list", "runway"].map(byId);
  const allScores = queries.flatMap((query) => [...query.results, ...query.texts].map(([, score]) => score));
  const scores = allScores.reduce(([low, high], score) => [Math.min(low, score), Math.max(high, score)], [0, -Infinity]);
  const haystacks = queries.map((query) => query.text.toLowerCase());
  const decoded = new Map();
  let theme = Stage.readTheme();
  const player = Player(() => { theme = Stage.readTheme(); });
  const orbit = Orbit(Stage.ORBIT, () => player.invalidate());
  let matches = queries.map((_, index) => index);
  let selected = -1;
  let cards = [];
  let space = null;

  const motionOf = (index) => {
    if (!decoded.has(index)) decoded.set(index, Motion.decode(figures[index], body));
    return decoded.get(index);
  };
  const secondsOf = (figure) => figure.frames / figure.fps;
  const clamp = (value, { min, max }) => Math.min(max, Math.max(min, value));
  const rankOfFirst = (ranked) => ranked.findIndex(([, , isTrue]) => isTrue) + 1;

  /* ---- Queries ---- */

  function rowOf(place) {
    const index = matches[place];
    const query = queries[index];
    const ranked = query.results.length ? query.results : query.texts;
    const known = ranked[0][2] !== null;
    const rank = rankOfFirst(ranked);
    const row = element("div", {
      id: `query-${index}`, class: "row", role: "option", "aria-selected": index === selected,
      "aria-posinset": place + 1, "aria-setsize": matches.length,
    }, element("span", { class: "row-text" }, query.text));
    if (known) {
      const label = rank ? `first true answer at rank ${rank}` : "no true answer shown";
      row.append(element("span", { class: rank === 1 ? "badge first" : "badge", title: label, "aria-label": label }, rank ? `${rank}` : "–"));
    }
    row.style.transform = `translateY(${place * ROW_HEIGHT}px)`;
    row.addEventListener("click", () => select(index));
    return row;
  }

  /* Only the rows in sight exist, so thousands of queries scroll smoothly. */
  function drawRows() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW_HEIGHT) - 4);
    const last = Math.min(matches.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW_HEIGHT) + 4);
    const rows = [];
    for (let place = first; place < last; place++) rows.push(rowOf(place));
    runway.replaceChildren(...rows);
    if (byId(`query-${selected}`)) filter.setAttribute("aria-activedescendant", `query-${selected}`);
    else filter.removeAttribute("aria-activedescendant");
  }

  function applyFilter() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    matches = queries.map((_, index) => index).filter((index) => words.every((word) => haystacks[index].includes(word)));
    const [found, total] = [matches.length, queries.length].map((count) => count.toLocaleString("en"));
    runway.style.height = `${matches.length * ROW_HEIGHT}px`;
    byId("count").textContent = words.length ? `${found} of ${total}` : total;
    reveal();
  }

  /* Scrolls no further than needed, but a row from far away comes to the middle. */
  function reveal() {
    const top = matches.indexOf(selected) * ROW_HEIGHT;
    const room = list.clientHeight - ROW_HEIGHT;
    const [above, below] = [list.scrollTop - top, top - list.scrollTop - room];
    if (top < 0) list.scrollTop = 0;
    else if (Math.max(above, below) > ROW_HEIGHT) list.scrollTop = top - room / 2;
    else if (above > 0) list.scrollTop = top;
    else if (below > 0) list.scrollTop = top - room;
    drawRows();
  }

  function steer(event) {
    const place = matches.indexOf(selected);
    const page = Math.max(1, Math.floor(list.clientHeight / ROW_HEIGHT));
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (event.key === "Escape") {
      filter.value = "";
      applyFilter();
    } else if (matches.length && (event.key in steps || event.key === "Enter")) {
      const next = place < 0 ? 0 : place + (steps[event.key] ?? 0);
      select(matches[clamp(next, { min: 0, max: matches.length - 1 })]);
    } else return;
    event.preventDefault();
  }

  /* ---- Answers ---- */

  function scoreOf(score) {
    const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("span", {}));
    bar.firstChild.style.width = `${(100 * (score - scores[0])) / (scores[1] - scores[0] || 1)}%`;
    return element("div", { class: "score" }, element("span", {}, score.toFixed(3)), bar);
  }

  const markOf = (isTrue) =>
    isTrue === null ? null : element("span", { class: isTrue ? "mark true" : "mark" }, isTrue ? "✓ true answer" : "not an answer");

  function captionsOf(captions) {
    const lines = captions.map((caption) => element("li", {}, caption));
    const shown = element("ul", { class: "captions" }, ...lines.slice(0, MANY_CAPTIONS));
    if (lines.length <= MANY_CAPTIONS) return shown;
    const rest = lines.slice(MANY_CAPTIONS);
    const more = element("details", {}, element("summary", {}, `${rest.length} more`), element("ul", { class: "captions" }, ...rest));
    return element("div", {}, shown, more);
  }

  function cardOf(index, { rank = null, score = null, isTrue = null, tag = "li" }) {
    const figure = figures[index];
    const name = `${rank ? `Rank ${rank}: ` : "The query: "}${figure.captions[0] ?? figure.key}`;
    const canvas = element("canvas", { role: "img", tabindex: "0", "aria-label": name, "aria-describedby": "hint" });
    const card = element(tag, { class: isTrue ? "card true" : "card" },
      element("div", { class: "stage" }, canvas, element("span", { class: "rank" }, rank ? `${rank}` : "Query"), markOf(isTrue)),
      element("div", { class: "details" },
        score === null ? null : scoreOf(score),
        captionsOf(figure.captions),
        element("p", { class: "key" }, element("code", {}, figure.key), ` ${secondsOf(figure).toFixed(1)} s`)));
    orbit.listen(canvas);
    // Shorter motions repeat until the longest one ends; then all start again together.
    const draw = (seconds) => Stage.draw(canvas, motionOf(index), body, seconds % secondsOf(figure), orbit.camera, space, theme);
    cards.push({ canvas, index, draw });
    return card;
  }

  function verdictOf(ranked, relevant) {
    if (!relevant) return "The true answers of this query are not known.";
    const found = ranked.filter(([, , isTrue]) => isTrue).length;
    const first = rankOfFirst(ranked);
    return `${found} of ${relevant} true answer${relevant === 1 ? "" : "s"} among the ${ranked.length} shown`
      + (first ? `, the first at rank ${first}.` : ".");
  }

  function show(query) {
    const direction = `${query.figure === null ? "text" : "motion"} to ${query.results.length ? "motion" : "text"}`;
    byId("kicker").textContent = `Query ${selected} · ${direction}`;
    byId("query").textContent = query.text;
    byId("query").className = query.figure === null ? "said" : "";
    byId("verdict").textContent = [[query.results, query.relevant], [query.texts, query.relevantTexts]]
      .filter(([ranked]) => ranked.length).map(([ranked, relevant]) => verdictOf(ranked, relevant)).join(" ");
    cards = [];
    const parts = [];
    if (query.figure !== null) parts.push(element("section", { class: "asked", "aria-label": "The query" }, cardOf(query.figure, { tag: "div" })));
    const answers = element("section", { class: "answers", "aria-label": "Answers" });
    if (query.results.length) {
      answers.append(element("ol", { class: "grid" },
        ...query.results.map(([index, score, isTrue], place) => cardOf(index, { rank: place + 1, score, isTrue }))));
    }
    if (query.texts.length) {
      answers.append(element("ol", { class: "sentences" }, ...query.texts.map(([text, score, isTrue], place) =>
        element("li", { class: isTrue ? "sentence true" : "sentence" }, element("span", { class: "rank" }, `${place + 1}`),
          element("p", {}, text), element("div", { class: "judged" }, scoreOf(score), markOf(isTrue))))));
    }
    byId("answer").replaceChildren(...parts, answers);
    byId("answer").className = query.figure === null ? "" : "beside";
    space = Motion.frameOf(cards.map(({ index }) => motionOf(index)));
    player.show(cards, Math.max(0, ...cards.map(({ index }) => secondsOf(figures[index]))));
  }

  function select(index) {
    if (!(Number.isInteger(index) && index >= 0 && index < queries.length) || index === selected) return;
    selected = index;
    show(queries[index]);
    if (location.hash !== `#q=${index}`) location.replace(`#q=${index}`);
    reveal();
  }

  /* ---- Start ---- */

  const linked = () => Number((location.hash.match(/^#q=(\d+)$/) ?? [, "0"])[1]);
  showFacts(facts);
  byId("legend").hidden = queries.every((query) => (query.results[0] ?? query.texts[0])[2] === null);
  filter.addEventListener("input", applyFilter);
  filter.addEventListener("keydown", steer);
  list.addEventListener("keydown", steer);
  list.addEventListener("scroll", drawRows, { passive: true });
  byId("reset").addEventListener("click", orbit.reset);
  addEventListener("hashchange", () => select(linked()));
  addEventListener("resize", drawRows);
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest?.("input, select, button, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
    filter.focus();
    event.preventDefault();
  });
  applyFilter();
  select(linked() < queries.length ? linked() : 0);

  window.jaxmmPage = {
    select,
    seek: player.seek,
    play: player.play,
    pause: player.pause,
    frame: () => ({ query: selected, seconds: player.clock.seconds, playing: player.clock.playing, ...orbit.camera, shown: cards.map(({ index }) => figures[index].key) }),
  };
})();
