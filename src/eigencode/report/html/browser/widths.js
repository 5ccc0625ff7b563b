// Spectra of nested sets of units: a panel per model, a line per width.
figures.add({
  id: "widths",
  title: "Spectra of nested sets of units",
  note: "First seed. The fit ends at the study's last rank or at half of the units, whichever comes first.",
  entries: content.widths,
  choices: [content.choice("spectrum", "Spectrum", content.widths)],
  drawn(entries, setting, width, light) {
    const here = entries.filter((e) => String(e.quantity) === setting.spectrum).slice(0, 12);
    const layout = panels.laid(here.map(content.label), width, light, (_, { column, last }) => ({
      x: { ...panels.log, title: last ? "rank n" : "" },
      y: { ...panels.log, range: [-9, 0.3], dtick: 2, title: column ? "" : "λₙ / λ₁" },
    }), { least: 300 });
    const rows = [["run", "data", "model", "spectrum", "units", "alpha", "rank", "eigenvalue / first"]];
    const traces = here.flatMap((e, i) => e.widths.map((w, k) => {
      const share = e.widths.length > 1 ? k / (e.widths.length - 1) : 1;
      const color = `hsl(${Math.round(260 - 100 * share)}, 60%, ${Math.round(light ? 48 - 12 * share : 72 - 12 * share)}%)`;
      const named = `${w.units} units${w.alpha === undefined ? "" : `, α ${text.number(w.alpha, 3)}`}`;
      w.ranks.forEach((n, j) => rows.push([...content.named(e), w.units, w.alpha, n, w.values[j]]));
      const middle = w.ranks.at(-1);
      layout.annotations.push({
        x: 0.03, y: 0.03 + 0.085 * k, xref: `${panels.key(i).xaxis} domain`, yref: `${panels.key(i).yaxis} domain`, xanchor: "left", yanchor: "bottom",
        showarrow: false, text: named, font: { size: 11, color },
      });
      return {
        x: w.ranks, y: w.values, ...panels.key(i), mode: "lines", line: { color, width: 1.6 }, hoverinfo: "text", showlegend: false,
        hovertext: w.ranks.map((n, j) => `${text.plain(content.label(e))}, ${named}<br>rank ${n} of ${middle}: ${text.number(w.values[j])}`),
      };
    }));
    const said = here.map((e) => `${content.label(e)}: ${e.widths.map((w) => `${w.units} units α ${text.number(w.alpha, 3)}`).join(", ")}`);
    return { traces, layout, rows, alt: `Spectra by number of units. ${said.join("; ")}.` };
  },
});
