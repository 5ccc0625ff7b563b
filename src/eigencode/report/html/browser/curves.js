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
    const traces = entries.flatMap((e) => {
      const { mean, low, high } = e[setting.of];
      e.eps.forEach((x, i) => rows.push([...content.named(e), e.axis, x, mean[i], low[i], high[i], e.seeds]));
      const words = (x, i) => `ε ${text.number(x)}: ${text.number(mean[i], 3)}` +
        (e.seeds > 1 ? `<br>${e.seeds} seeds: ${text.number(low[i], 3)} to ${text.number(high[i], 3)}` : "");
      const where = { ...panels.key(names.indexOf(e.quantity)), showlegend: e.quantity === names[0] };
      return panels.line(e, e.eps, e[setting.of], words, light, where);
    });
    const last = entries.map((e) => `${content.label(e)} under ${content.quantity(e)} ends at ${text.number(e[setting.of].mean.at(-1), 3)}`);
    return { traces, layout, rows, alt: `Accuracy against perturbation size. At the largest size: ${last.join("; ")}.` };
  },
});
