// Jacobian norm, predicted class and confidence of one model on a plane through test images.
(() => {
  const HEAT = ["#000004", "#51127c", "#b73779", "#fc8961", "#fcfdbf"].map((c, i) => [i / 4, c]);
  const entries = content.landscapes;
  const views = [...new Map(entries.map((e) => [`${e.run} ${e.model}`, content.label(e)])).entries()];

  figures.add({
    id: "landscapes",
    title: "Jacobian and decisions on a plane through test images",
    note: "First seed. The Jacobian scale is the same for all models on a plane; + marks the images, the line where the decision first changes.",
    entries,
    choices: [
      content.choice("plane", "Plane", entries),
      { name: "view", words: "Model", options: views },
    ],
    drawn(listed, setting, width, light) {
      const here = listed.filter((e) => String(e.quantity) === setting.plane);
      const e = here.find((v) => `${v.run} ${v.model}` === setting.view) || here[0];
      if (!e) return {};
      const norms = here.flatMap((v) => v.jacobian.flat()).filter((v) => v !== null);
      const classes = Math.max(...here.flatMap((v) => v.predicted.flat())) + 1;
      const columns = width >= 860 ? 3 : 1;
      const side = Math.min(380, (width - 76 - 100 - (columns - 1) * 130) / columns);
      const layout = panels.laid([e.label, "predicted class", "largest softmax"], width, light, (i, { column, last }) => ({
        x: { title: last || columns === 3 ? `ε, ${e.axis}` : "", range: [e.eps[0], e.eps.at(-1)], showgrid: false },
        y: { title: column ? "" : `ξ, ${e.axis}`, range: [e.xi[0], e.xi.at(-1)], showgrid: false },
      }), { columns, height: side, across: 130, right: 100, down: 80 });
      const stops = Array.from({ length: classes }, (_, k) => content.classes[k % content.classes.length])
        .flatMap((c, k) => [[k / classes, c], [(k + 1) / classes, c]]);
      const maps = [
        { z: e.jacobian, zmin: Math.min(...norms), zmax: Math.max(...norms), colorscale: HEAT },
        { z: e.predicted, zmin: -0.5, zmax: classes - 0.5, colorscale: stops, ticks: { tickvals: Array.from({ length: classes }, (_, k) => k) } },
        { z: e.confidence, zmin: 0, zmax: 1, colorscale: "Viridis" },
      ];
      const told = e.xi.map((y, k) => e.eps.map((x, j) => `${text.plain(content.label(e))}<br>ε ${text.number(x, 3)}, ξ ${text.number(y, 3)}<br>` +
        `${text.plain(e.label)} ${text.number(e.jacobian[k][j])}<br>class ${e.predicted[k][j]}, softmax ${text.number(e.confidence[k][j], 3)}`));
      const traces = maps.flatMap(({ ticks, ...map }, i) => {
        const { xaxis, yaxis } = panels.key(i);
        const id = i ? String(i + 1) : "";
        const [, right] = layout[`xaxis${id}`].domain;
        const [low, high] = layout[`yaxis${id}`].domain;
        return [
          {
            type: "heatmap", x: e.eps, y: e.xi, ...map, xaxis, yaxis, hoverinfo: "text", hovertext: told, showlegend: false,
            colorbar: { ...ticks, x: right, xpad: 8, y: (low + high) / 2, len: high - low, thickness: 10, outlinewidth: 0 },
          },
          { x: e.anchors.map((a) => a[0]), y: e.anchors.map((a) => a[1]), mode: "markers", xaxis, yaxis, hoverinfo: "skip", showlegend: false, marker: { symbol: "cross-thin", size: 9, line: { color: "#ffffff", width: 2 } } },
          { x: e.boundary.map((b) => b[0]), y: e.boundary.map((b) => b[1]), mode: "lines", xaxis, yaxis, hoverinfo: "skip", showlegend: false, line: { color: i === 1 ? "#000000" : "#ffffff", width: 1.4 } },
        ];
      });
      const rows = [["run", "data", "model", "plane", "eps", "xi", "jacobian norm", "class", "softmax"]];
      e.xi.forEach((y, k) => e.eps.forEach((x, j) => rows.push([...content.named(e), x, y, e.jacobian[k][j], e.predicted[k][j], e.confidence[k][j]])));
      const own = e.jacobian.flat();
      const alt = `${content.label(e)} on ${content.quantity(e)}: Jacobian norm from ${text.number(Math.min(...own), 3)} to ${text.number(Math.max(...own), 3)}, ` +
        `${new Set(e.predicted.flat()).size} classes, ${e.points.join(" × ")} points measured, ${e.eps.length} × ${e.xi.length} shown.`;
      return { traces, layout, rows, alt };
    },
  });
})();
