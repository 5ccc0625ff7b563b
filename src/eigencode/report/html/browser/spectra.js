// Covariance spectra with a window that can be moved: α of the ranks between the two sliders, fitted here and now.
const spectra = (() => {
  const LINES = 5;
  const entries = content.spectra.entries.map((e) => ({ ...e, spectra: e.spectra.map(fit.unpacked) }));
  const last = fit.grid.length - 1;

  const slider = (name, words) => {
    const label = figures.element("label", { class: "slider" });
    const value = figures.element("output", { for: `window-${name}` });
    const input = figures.element("input", { type: "range", id: `window-${name}`, min: 0, max: last, step: 1 });
    label.append(`${words} `, value, input);
    return { label, value, input };
  };

  const ends = (setting) => {
    const { window } = entries.find((e) => String(e.quantity) === setting.spectrum) || entries[0];
    return window.map(fit.place);
  };

  const told = (setting) => [["from", setting.from], ["to", setting.to]].forEach(([name, at]) => {
    setting[`${name}Slider`].input.value = at;
    setting[`${name}Slider`].input.setAttribute("aria-valuetext", `rank ${fit.grid[at]}`);
    setting[`${name}Slider`].value.textContent = fit.grid[at];
  });

  const reset = (setting) => {
    [setting.from, setting.to] = ends(setting);
    const first = entries.find((e) => String(e.quantity) === setting.spectrum) || entries[0];
    setting.weights = first.weights;
    setting.of = setting.spectrum;
    setting.chosen.value = first.weights;
    told(setting);
  };

  const more = (setting, redraw) => {
    const row = figures.element("div", { class: "controls" });
    setting.fromSlider = slider("from", "From rank");
    setting.toSlider = slider("to", "to rank");
    const weights = figures.element("label", {}, "Weights ");
    setting.chosen = figures.element("select", { id: "window-weights" });
    [["uniform", "equal"], ["1/n", "1/n"]].forEach(([value, words]) => setting.chosen.add(new Option(words, value)));
    weights.append(setting.chosen);
    const back = figures.element("button", { type: "button", id: "window-reset" }, "the study's window");
    // A window has three ranks or more: a slider that comes too near pushes the other one, and stops at the end.
    const reach = (at, step) => {
      let k = at;
      while (fit.grid[k] !== undefined && Math.abs(fit.grid[k] - fit.grid[at]) < 2) k += step;
      return k;
    };
    const moved = (name) => {
      const at = Number(setting[`${name}Slider`].input.value);
      if (name === "from") {
        setting.from = Math.min(at, reach(last, -1));
        setting.to = Math.max(setting.to, reach(setting.from, 1));
      } else {
        setting.to = Math.max(at, reach(0, 1));
        setting.from = Math.min(setting.from, reach(setting.to, -1));
      }
      told(setting);
      redraw();
    };
    setting.fromSlider.input.addEventListener("input", () => moved("from"));
    setting.toSlider.input.addEventListener("input", () => moved("to"));
    setting.chosen.addEventListener("change", () => { setting.weights = setting.chosen.value; redraw(); });
    back.addEventListener("click", () => { reset(setting); redraw(); });
    row.append(setting.fromSlider.label, setting.toSlider.label, weights, back);
    return row;
  };

  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const deviation = (values) =>
    values.length < 2 ? NaN : Math.sqrt(values.reduce((sum, v) => sum + (v - mean(values)) ** 2, 0) / (values.length - 1));

  const below = (setting) => {
    const box = figures.element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Exponents over the chosen window" });
    setting.table = figures.element("table", { id: "alpha" });
    setting.table.setAttribute("aria-live", "polite");
    box.append(setting.table);
    const all = figures.element("div");
    const words = "Mean and standard deviation (sd) over seeds. Intervals belong to the study's window and stand in the tables.";
    all.append(figures.element("p", { class: "soft" }, words), box);
    return all;
  };

  const table = (setting, fitted) => {
    const head = figures.element("tr");
    [["model", ""], [`α, ranks ${fit.grid[setting.from]} to ${fit.grid[setting.to]}`, ""], ["remarks", ""]].forEach(([words]) =>
      head.append(figures.element("th", { scope: "col" }, words)));
    const rows = fitted.map(({ e, laws }) => {
      const row = figures.element("tr");
      const name = figures.element("th", { scope: "row" });
      name.append(figures.element("bdi", {}, content.label(e)));
      const alphas = laws.filter(Boolean).map((l) => l.alpha);
      const value = figures.element("td", {}, alphas.length ? text.measured(mean(alphas), deviation(alphas)) : "–");
      value.dataset.alpha = JSON.stringify(alphas);
      const rounding = e.spectra.filter((s) => s.floor < fit.grid[setting.to]).length;
      const remarks = [];
      if (alphas.length < e.spectra.length) remarks.push(`${e.spectra.length - alphas.length} of ${e.spectra.length} seeds have no such ranks`);
      else if (rounding) remarks.push("the window reaches into rounding errors");
      if (e.spectra.length < e.seeds) remarks.push(`${e.spectra.length} of ${e.seeds} seeds are in this page`);
      row.append(name, value, figures.element("td", { class: "words" }, remarks.join("; ")));
      return row;
    });
    setting.table.replaceChildren(head, ...rows);
  };

  const drawn = (listed, setting, width, light) => {
    if (setting.of !== setting.spectrum) reset(setting);
    const { from, to, weights } = setting;
    const here = listed.filter((e) => String(e.quantity) === setting.spectrum);
    const fitted = here.map((e) => ({ e, laws: e.spectra.map((s) => fit.law(s, from, to, weights)) }));
    if (setting.table) table(setting, fitted);
    const traces = [];
    const rows = [["run", "data", "model", "spectrum", "seed", "rank", "eigenvalue / first", "alpha", "from", "to", "weights"]];
    let lowest = 1;
    fitted.forEach(({ e, laws }) => {
      const { color, dash } = panels.look(e, light);
      const name = text.plain(content.label(e));
      e.spectra.forEach((s, seed) => {
        const y = Array.from(s.y, Math.exp);
        const x = fit.grid.slice(0, s.length);
        const a = laws[seed] ? laws[seed].alpha : NaN;
        x.forEach((n, i) => rows.push([...content.named(e), s.seed, n, y[i], a, fit.grid[from], fit.grid[to], weights]));
        if (seed >= LINES) return;
        y.filter((v, i) => x[i] <= s.floor).forEach((v) => { lowest = Math.min(lowest, v); });
        traces.push({
          x, y, mode: "lines", line: { color, dash, width: 1.3 }, opacity: seed ? 0.5 : 1, name, showlegend: seed === 0, hoverinfo: "text",
          hovertext: x.map((n, i) => `${name}, seed ${s.seed}<br>rank ${n}: ${text.number(y[i])}`),
        });
        if (seed === 0 && laws[0]) {
          const window = [fit.grid[from], fit.grid[to]];
          traces.push({
            x: window, y: window.map((n) => Math.exp(laws[0].intercept - laws[0].alpha * Math.log(n))), mode: "lines", hoverinfo: "skip",
            line: { color: panels.theme(light).ink, dash: "dot", width: 1.6 }, showlegend: false,
          });
        }
      });
    });
    const bottom = Math.max(-12, Math.log10(Math.max(lowest, 1e-12)) - 0.3);
    const layout = panels.laid([content.titles[Number(setting.spectrum)]], width, light, () => ({
      x: { ...panels.log, title: "rank n" },
      y: { ...panels.log, title: "eigenvalue λₙ / λ₁", range: [bottom, 0.2] },
    }), { height: 340, columns: 1 });
    layout.shapes = [{
      type: "rect", xref: "x", yref: "paper", x0: fit.grid[from], x1: fit.grid[to], y0: 0, y1: 1, line: { width: 0 },
      fillcolor: panels.faint("#888888", 0.14), layer: "below",
    }];
    const said = fitted.map(({ e, laws }) => `${content.label(e)}: α ${text.number(mean(laws.filter(Boolean).map((l) => l.alpha)), 3)}`);
    return { traces, layout, rows, alt: `Covariance spectra and power laws over ranks ${fit.grid[from]} to ${fit.grid[to]}. ${said.join("; ")}.` };
  };

  figures.add({
    id: "spectra",
    title: "Spectra and their exponent",
    note: "Move the window: α is fitted again to every rank between its ends. Dots: the fit of the first seed.",
    entries,
    choices: [content.choice("spectrum", "Spectrum", entries)],
    more, below, drawn,
  });

  return { entries };
})();
