// Accuracy against ε: a line per model, the range over seeds as a band.
figures.add({
  id: "curves",
  title: "Accuracy against the size of a perturbation",
  note: "Lines are means over seeds, bands their range. Relative accuracy counts the images that are right without a perturbation.",
  entries: content.curves,
  choices: [
    { name: "of", words: "Accuracy", options: [["relative", "relative"], ["absolute", "of all images"]] },
    { name: "scale", words: "ε axis", options: [["log", "logarithmic"], ["linear", "linear"]] },
  ],
  drawn(entries, setting, width, light) {
    const names = content.quantities(entries);
    const axis = (i) => entries.find((e) => e.quantity === names[i]).axis;
    const scale = setting.scale === "log" ? panels.log : { type: "linear" };
    const layout = panels.laid(names.map((q) => content.titles[q]), width, light, (i, { column }) => ({
      x: { ...scale, title: axis(i) },
      y: { range: [-0.02, 1.04], title: column ? "" : `${setting.of === "relative" ? "relative " : ""}accuracy` },
    }));
    const rows = [["run", "data", "model", "attack", "axis", "eps", "mean", "lowest seed", "highest seed", "seeds"]];
    const traces = [];
    entries.forEach((e) => {
      const { mean, low, high } = e[setting.of];
      const { color, dash } = panels.look(e, light);
      const where = panels.key(names.indexOf(e.quantity));
      const told = e.eps.map((x, i) => `${text.plain(content.label(e))}<br>ε ${text.number(x)}: ${text.number(mean[i], 3)}` +
        (e.seeds > 1 ? `<br>${e.seeds} seeds: ${text.number(low[i], 3)} to ${text.number(high[i], 3)}` : ""));
      const band = { x: e.eps, ...where, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
      if (e.seeds > 1) {
        traces.push({ ...band, y: low }, { ...band, y: high, fill: "tonexty", fillcolor: panels.faint(color, 0.2) });
      }
      traces.push({
        x: e.eps, y: mean, ...where, mode: "lines", line: { color, dash, width: 2 }, hoverinfo: "text", hovertext: told,
        name: text.plain(content.label(e)), showlegend: e.quantity === names[0],
      });
      const named = [content.runs[e.run].label, content.data[e.data], content.model(e), content.quantity(e), e.axis];
      e.eps.forEach((x, i) => rows.push([...named, x, mean[i], low[i], high[i], e.seeds]));
    });
    const last = entries.map((e) => `${content.label(e)} under ${content.quantity(e)} ends at ${text.number(e[setting.of].mean.at(-1), 3)}`);
    return { traces, layout, rows, alt: `Accuracy against perturbation size. At the largest size: ${last.join("; ")}.` };
  },
});
