// The window of the spectra with α fitted here and now, and the switches of the page.
drawn.filter(({ figure }) => figure.spectra).forEach(({ name, figure, card, parts, scales, redraw: update }) => {
  const { grid } = figure;
  const fit = fitting(grid);
  const entries = figure.spectra.map((e) => ({ ...e, sums: e.sums.map(fit.unpacked) }));
  const now = { moved: false, weights: entries[0].weights };
  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const table = element("table", { id: `${name}-alpha` });
  table.setAttribute("aria-live", "polite");

  const measured = (values) => {
    if (!values.length) return "–";
    const spread = values.length < 2 ? 0 : Math.sqrt(values.reduce((sum, v) => sum + (v - mean(values)) ** 2, 0) / (values.length - 1));
    if (!(spread > 0)) return number(mean(values));
    const digits = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(Number(spread.toPrecision(2))))));
    return `${mean(values).toFixed(digits)} (sd ${spread.toFixed(digits)})`;
  };

  const draw = () => {
    const panels = [...new Set(entries.map((e) => e.p))];
    const rows = new Map();
    entries.forEach((e) => {
      const [from, to] = now.moved ? [now.from, now.to] : e.window.map(fit.place);
      const weights = now.moved ? now.weights : e.weights;
      const laws = e.sums.map((s) => fit.law(s, from, to, weights)).filter(Boolean);
      const alphas = laws.map((l) => l.alpha);
      if (!rows.has(label(e))) rows.set(label(e), { e, cells: {} });
      rows.get(label(e)).cells[e.p] = { alphas, few: e.sums.length - laws.length, rounding: e.sums.some((s) => s.floor < grid[to]) };
      if (e.fit === undefined) return;
      const line = parts[e.fit][0].querySelector("path");
      const [alpha, intercept] = [mean(alphas), mean(laws.map((l) => l.intercept))];
      const at = (n) => `${scales[e.p].x(n)} ${scales[e.p].y(Math.exp(intercept) * n ** -alpha)}`;
      line.setAttribute("d", laws.length ? `M${at(grid[from])}L${at(grid[to])}` : "M0 0");
      const words = e.key && document.getElementById(`${name}-${e.key}`).querySelector("text");
      if (!words) return;
      words.dataset.own ??= words.textContent;
      const named = words.dataset.own.includes("  ") ? `${label(e)}  ` : "";
      words.textContent = now.moved ? `${named}${number(alpha)}` : words.dataset.own;
    });
    const head = element("tr");
    head.append(element("th", { scope: "col" }, "α (mean, sd over seeds)"), ...panels.map((p) => {
      const e = entries.find((one) => one.p === p);
      const window = now.moved ? [grid[now.from], grid[now.to]] : e.window;
      return element("th", { scope: "col" }, `${figure.panels[p].title}, ranks ${window[0]} to ${window[1]}`);
    }));
    table.replaceChildren(head, ...[...rows.values()].filter(({ e }) => shown(e)).map(({ e, cells }) => {
      const row = element("tr");
      const first = element("th", { scope: "row" });
      first.append(element("bdi", {}, label(e)));
      row.append(first, ...panels.map((p) => {
        const { alphas = [], few = 0, rounding = false } = cells[p] || {};
        const said = few ? ` (${few} seeds have no such ranks)` : rounding && alphas.length ? " (reaches into rounding errors)" : "";
        const cell = element("td", {}, measured(alphas) + said);
        cell.dataset.alpha = JSON.stringify(alphas);
        return cell;
      }));
      return row;
    }));
    [["from", 0], ["to", 1]].forEach(([key, i]) => ends[key].set(now.moved ? now[key] : fit.place(entries[0].window[i])));
    choice.value = now.moved ? now.weights : entries[0].weights;
  };

  // A window has three ranks or more: a slider that comes too near pushes the other one, and stops at the end.
  const reach = (at, step) => {
    let k = at;
    while (grid[k] !== undefined && Math.abs(grid[k] - grid[at]) < 2) k += step;
    return k;
  };
  const start = () => {
    if (!now.moved) Object.assign(now, { from: fit.place(entries[0].window[0]), to: fit.place(entries[0].window[1]), weights: entries[0].weights, moved: true });
  };
  const last = grid.length - 1;
  const ends = {
    from: slider(`${name}-window-from`, "From rank", grid, (at) => {
      start();
      now.from = Math.min(at, reach(last, -1));
      now.to = Math.max(now.to, reach(now.from, 1));
      draw();
    }),
    to: slider(`${name}-window-to`, "to rank", grid, (at) => {
      start();
      now.to = Math.max(at, reach(0, 1));
      now.from = Math.min(now.from, reach(now.to, -1));
      draw();
    }),
  };
  const choice = element("select", { id: `${name}-window-weights` });
  [["uniform", "equal"], ["1/n", "1/n"]].forEach(([value, words]) => choice.add(new Option(words, value)));
  choice.addEventListener("change", () => { start(); now.weights = choice.value; draw(); });
  const weights = element("label", {}, "Weights ");
  weights.append(choice);
  const back = element("button", { type: "button", id: `${name}-window-reset` }, "the study's windows");
  back.addEventListener("click", () => { now.moved = false; draw(); });
  card.querySelector(".controls").append(ends.from.row, ends.to.row, weights, back);
  const box = element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Exponents over the chosen window" });
  box.append(table);
  card.querySelector(".below").append(box);
  drawn.find((d) => d.name === name).redraw = () => { update(); draw(); };
});

(() => {
  const changed = () => drawn.forEach((d) => d.redraw());
  const toggle = (button, set, i) => {
    if (!set.delete(i)) set.add(i);
    button.setAttribute("aria-pressed", String(!set.has(i)));
    changed();
  };
  [["models", "m"], ["runs", "r"]].forEach(([id, key]) => {
    const buttons = [...document.querySelectorAll(`#${id} button`)];
    buttons.forEach((button, i) => button.addEventListener("click", () => toggle(button, off[key], i)));
    document.getElementById(id).hidden = id === "runs" && buttons.length < 2;
  });
  document.addEventListener("click", ({ target }) => {
    const key = target.closest('.plot [id*="-key-"]');
    const i = key && modelOf(key);
    if (key) toggle(document.querySelectorAll("#models button")[i], off.m, i);
  });

  const choice = document.getElementById("data-set");
  const chosen = () => document.querySelectorAll("[data-data]").forEach((node) => { node.hidden = node.dataset.data !== choice.value; });
  choice.closest("label").hidden = content.data.length < 2;
  choice.addEventListener("change", chosen);

  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : preferred.matches);
  const told = () => theme.setAttribute("aria-pressed", String(dark()));
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; told(); });
  preferred.addEventListener("change", told);

  const narrow = window.matchMedia("(max-width: 700px)");
  const split = () => drawn.forEach((d) => d.split(narrow.matches));
  narrow.addEventListener("change", split);
  window.addEventListener("beforeprint", () => drawn.forEach((d) => d.split(false)));
  window.addEventListener("afterprint", split);

  const bar = document.getElementById("toolbar");
  new ResizeObserver(() => root.style.setProperty("--bar", `${bar.offsetHeight + 8}px`)).observe(bar);
  told();
  chosen();
  changed();
  split();
  root.classList.add("ready");
})();
