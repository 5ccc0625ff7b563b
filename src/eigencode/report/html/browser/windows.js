// α over all windows: how much of an exponent is the choice of its ranks.
(() => {
  const RANKS = 26;
  const MOST = 12;

  const places = () => {
    const wanted = Array.from({ length: RANKS }, (_, i) => fit.grid.at(-1) ** (i / (RANKS - 1)));
    return [...new Set(wanted.map(fit.place))];
  };

  const edges = (ranks) => {
    const x = ranks.map(Math.log);
    const middle = x.slice(1).map((v, i) => (v + x[i]) / 2);
    return [2 * x[0] - middle[0], ...middle, 2 * x.at(-1) - middle.at(-1)].map(Math.exp);
  };

  const map = (spectrum, at, weights) => at.map((to) => at.map((from) => {
    const [low, high] = [fit.grid[from], fit.grid[to]];
    const found = high >= 2 * low && high - low >= 4 && high <= spectrum.floor ? fit.law(spectrum, from, to, weights) : null;
    return found ? found.alpha : null;
  }));

  figures.add({
    id: "windows",
    title: "α over all windows of ranks",
    note: "Each cell is a window; the cross is the study's. One colour is a power law; first seed, up to the rounding floor.",
    entries: spectra.entries,
    choices: [
      content.choice("spectrum", "Spectrum", spectra.entries),
      { name: "weights", words: "Weights", options: [["uniform", "equal"], ["1/n", "1/n"]] },
    ],
    drawn(entries, setting, width, light) {
      const here = entries.filter((e) => String(e.quantity) === setting.spectrum);
      const some = here.slice(0, MOST);
      const at = places();
      const ranks = at.map((i) => fit.grid[i]);
      const ends = edges(ranks);
      const maps = some.map((e) => map(e.spectra[0], at, setting.weights));
      const values = maps.flat(2).filter((v) => v !== null).sort((a, b) => a - b);
      const limits = [0.02, 0.98].map((q) => values[Math.round(q * (values.length - 1))] ?? 0);
      const tickfont = { size: width < 600 ? 9 : 12 };
      const layout = panels.laid(some.map(content.label), width, light, (_, { column, last }) => ({
        x: { ...panels.log, tickfont, title: last ? "first rank" : "", range: [0, Math.log10(ends.at(-1))], showgrid: false },
        y: { ...panels.log, tickfont, title: column ? "" : "last rank", range: [0, Math.log10(ends.at(-1))], showgrid: false },
      }), { height: 170, least: width < 600 ? 130 : 210, across: 56, down: 84, right: 74 });
      layout.coloraxis = {
        colorscale: "Viridis", cmin: limits[0], cmax: limits[1],
        colorbar: { title: { text: "α" }, thickness: 12, len: 200, lenmode: "pixels", x: 1, xpad: 12, yanchor: "top", y: 1, outlinewidth: 0 },
      };
      const rows = [["run", "data", "model", "spectrum", "seed", "weights", "first rank", "last rank", "alpha"]];
      const traces = some.flatMap((e, i) => {
        maps[i].forEach((line, k) => line.forEach((a, j) => {
          if (a !== null) rows.push([...content.named(e), e.spectra[0].seed, setting.weights, ranks[j], ranks[k], a]);
        }));
        const told = maps[i].map((line, k) => line.map((a, j) => `${text.plain(content.label(e))}<br>ranks ${ranks[j]} to ${ranks[k]}: α ${text.number(a)}`));
        return [
          { type: "heatmap", x: ends, y: ends, z: maps[i], coloraxis: "coloraxis", ...panels.key(i), hoverinfo: "text", hovertext: told, hoverongaps: false, showlegend: false },
          { x: [e.window[0]], y: [e.window[1]], mode: "markers", marker: { symbol: "x-thin", size: 10, line: { color: "#D55E00", width: 3 } }, ...panels.key(i), hoverinfo: "skip", showlegend: false },
        ];
      });
      const left = here.length > some.length ? ` The first ${some.length} of ${here.length} are shown.` : "";
      return { traces, layout, rows, alt: `Exponent over all windows, from ${text.number(limits[0], 3)} to ${text.number(limits[1], 3)}, for ${some.map(content.label).join(", ")}.${left}` };
    },
  });
})();
