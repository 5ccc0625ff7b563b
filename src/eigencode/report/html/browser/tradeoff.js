// Accuracy against robustness: a point per model and seed, intervals over images.
figures.add({
  id: "tradeoff",
  title: "Accuracy against robustness",
  note: "A point per seed; bars are 95 % intervals over images. To the right and up is better.",
  entries: content.tradeoff,
  drawn(entries, setting, width, light) {
    const names = content.quantities(entries);
    const layout = panels.laid(names.map((q) => content.titles[q]), width, light, (_, { column }) => ({
      x: { type: "log", exponentformat: "power", title: "median critical size (L2)" },
      y: { title: column ? "" : "test accuracy" },
    }));
    const MARKS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star"];
    const rows = [["run", "data", "model", "attack", "seed", "median size", "size low", "size high", "test accuracy", "accuracy low", "accuracy high"]];
    const groups = new Map();
    entries.forEach((e) => {
      const key = `${e.run} ${e.model} ${e.quantity}`;
      groups.set(key, [...(groups.get(key) || []), e]);
    });
    const reach = (listed, of, side) =>
      listed.map((e) => { const v = e[of].map(content.real); return Math.abs(v[side] - v[0]) || 0; }).map((v) => (Number.isFinite(v) ? v : 0));
    const bars = (listed, of) =>
      ({ type: "data", symmetric: false, array: reach(listed, of, 2), arrayminus: reach(listed, of, 1), thickness: 1, width: 2 });
    const traces = [...groups.values()].map((listed) => {
      const [e] = listed;
      const { color } = panels.look(e, light);
      return {
        ...panels.key(names.indexOf(e.quantity)), mode: "markers", x: listed.map((p) => p.size[0]), y: listed.map((p) => p.accuracy[0]),
        error_x: { ...bars(listed, "size"), color }, error_y: { ...bars(listed, "accuracy"), color },
        marker: { color, size: 9, symbol: MARKS[(e.model + (content.several ? e.run : 0)) % MARKS.length] },
        hoverinfo: "text", name: text.plain(content.label(e)), showlegend: e.quantity === names[0],
        hovertext: listed.map((p) => `${text.plain(content.label(p))}, seed ${p.seed}<br>accuracy ${text.number(p.accuracy[0])}<br>` +
          `median size ${text.number(p.size[0])} [${text.number(content.real(p.size[1]))}, ${text.number(content.real(p.size[2]))}]`),
      };
    });
    entries.forEach((e) => rows.push([...content.named(e), e.seed, ...e.size.map(content.real), ...e.accuracy.map(content.real)]));
    const said = entries.map((e) => `${content.label(e)} seed ${e.seed}, ${content.quantity(e)}: ${text.number(e.accuracy[0], 3)} at ${text.number(e.size[0], 3)}`);
    return { traces, layout, rows, alt: `Test accuracy against median critical size. ${said.join("; ")}.` };
  },
});
