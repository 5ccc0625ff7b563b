// Critical sizes of all images: box or violin, with the share that was never broken.
figures.add({
  id: "sizes",
  title: "Critical sizes",
  note: "The smallest perturbation that changes the answer, all images of all seeds. Boxes: Kaplan–Meier quartiles, whiskers 5 % to 95 %. " +
    "The percentage above each box is the share of images that were never broken; their sizes count as larger than the largest one tried. " +
    "Under noise most of these are chance: the network gives the noise alone, without the image, the same class.",
  entries: content.sizes,
  choices: [{ name: "as", words: "Drawn as", options: [["box", "boxes"], ["violin", "violins"]] }],
  drawn(entries, setting, width, light) {
    const some = entries.filter((e) => e.images);
    const names = content.quantities(some);
    const of = names.map((q) => some.filter((e) => e.quantity === q));
    const logs = (e) => e.sorted.map((v) => Math.log10(Math.max(v, 1e-12)));
    const limits = of.map((listed) => {
      const seen = listed.flatMap((e) => [e.sorted[Math.floor(0.02 * e.sorted.length)], e.sorted.at(-1)]).filter((v) => v > 0);
      return [Math.log10(Math.min(...seen)) - 0.1, Math.log10(Math.max(...seen)) + 0.25];
    });
    const ticks = (i) => {
      const [low, high] = limits[i].map((v, side) => (side ? Math.floor(v) : Math.ceil(v)));
      const at = Array.from({ length: Math.max(0, high - low + 1) }, (_, k) => low + k);
      const shown = at.length > 1 ? at : [limits[i][0], (limits[i][0] + limits[i][1]) / 2, limits[i][1]];
      return { tickvals: shown, ticktext: shown.map((v) => text.number(10 ** v, 2)) };
    };
    const layout = panels.laid(names.map((q) => content.titles[q]), width, light, (i, { column }) => ({
      x: {
        tickvals: of[i].map((_, k) => k), showgrid: false, range: [-0.6, of[i].length - 0.4], tickangle: of[i].length > 3 ? -40 : 0,
        ticktext: of[i].map((e) => text.plain(text.short(content.label(e), 12))),
      },
      y: { ...ticks(i), range: limits[i], title: column ? "" : of[i][0].axis },
    }), { bottom: 78, down: 124, left: 70, across: 74 });
    const rows = [["run", "data", "model", "attack", "axis", "images", "never broken", "of these by chance", "seeds", "5 %", "25 %", "median", "75 %", "95 %"]];
    const traces = [];
    of.forEach((listed, i) => listed.forEach((e, k) => {
      const { color } = panels.look(e, light);
      const quantiles = e.quantiles.map(content.real);
      const share = e.censored / e.images;
      const told = `${text.plain(content.label(e))}<br>median ${text.number(quantiles[2])}<br>` +
        `quartiles ${text.number(quantiles[1])} to ${text.number(quantiles[3])}<br>${e.images} images, ${e.seeds} seeds, ` +
        `${e.censored} never broken` + (e.chance ? `, ${e.chance} of them by chance: noise alone has their class` : "");
      const common = { ...panels.key(i), name: text.plain(content.label(e)), showlegend: i === 0, line: { color, width: 1.5 } };
      if (setting.as === "box") {
        const drawn = quantiles.map((v) => Math.log10(Math.min(Number.isFinite(v) ? v : Infinity, e.sorted.at(-1))));
        traces.push({
          ...common, type: "box", x: [k], lowerfence: [drawn[0]], q1: [drawn[1]], median: [drawn[2]], q3: [drawn[3]],
          upperfence: [drawn[4]], fillcolor: panels.faint(color, 0.35), width: 0.6, hoverinfo: "skip",
        });
      } else {
        traces.push({
          ...common, type: "violin", x0: k, y: logs(e), points: false, spanmode: "hard", box: { visible: true, width: 0.2 },
          fillcolor: panels.faint(color, 0.35), width: 0.85, hoverinfo: "skip", hoveron: "kde",
        });
      }
      const middle = Math.log10(Math.min(quantiles[2], e.sorted.at(-1)));
      traces.push({
        ...panels.key(i), x: [k], y: [middle], mode: "markers", marker: { size: 22, opacity: 0 }, hoverinfo: "text",
        hovertext: [told], showlegend: false,
      });
      if (share) {
        layout.annotations.push({
          x: k, y: Math.log10(e.sorted.at(-1)), xref: panels.key(i).xaxis, yref: panels.key(i).yaxis, showarrow: false,
          yanchor: "bottom", font: { size: width < 600 ? 10 : 11 }, text: `${(100 * share).toFixed(share < 0.0095 ? 1 : 0)}&nbsp;%`,
        });
      }
    }));
    entries.forEach((e) => {
      const quantiles = e.quantiles.map(content.real).map((v) => (Number.isFinite(v) ? v : text.number(v)));
      rows.push([...content.named(e), e.axis, e.images, e.censored, e.chance, e.seeds, ...quantiles]);
    });
    const said = some.map((e) => `${content.label(e)}, ${content.quantity(e)}: median ${text.number(content.real(e.quantiles[2]))}`);
    return { traces, layout, rows, alt: `Critical sizes. ${said.join("; ")}.` };
  },
});
