// Panels side by side where there is room, below one another where there is not, and how all plots look.
const panels = (() => {
  const SPACE = { left: 62, right: 14, top: 34, bottom: 50, across: 66, down: 92, height: 230, least: 330 };
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

  const theme = (light) =>
    light
      ? { ink: "#1a1a1a", soft: "#d9dce0", paper: "#ffffff", hover: "#ffffff" }
      : { ink: "#e8e8e8", soft: "#3b4048", paper: "#16181c", hover: "#23272e" };

  const base = (light) => {
    const { ink, paper, soft, hover } = theme(light);
    return {
      font: { family: "system-ui, sans-serif", size: 12, color: ink },
      paper_bgcolor: paper,
      plot_bgcolor: paper,
      hoverlabel: { bgcolor: hover, bordercolor: soft, font: { color: ink, size: 12 }, align: "left" },
      showlegend: false,
      dragmode: window.matchMedia("(pointer: coarse)").matches ? false : "zoom",
    };
  };

  const axis = (light, more) => {
    const { ink, soft } = theme(light);
    const { title, ...rest } = more;
    return {
      gridcolor: soft,
      linecolor: ink,
      zeroline: false,
      ticks: "outside",
      tickcolor: soft,
      automargin: false,
      ...(title ? { title: { text: text.plain(title), standoff: 6, font: { size: 12 } } } : {}),
      ...rest,
    };
  };

  const log = { type: "log", exponentformat: "power", dtick: 1, minor: { ticks: "outside", ticklen: 2 } };

  // A layout with one pair of axes per title: `axes(i)` -> {x, y}; `key(i)` -> the names that traces use.
  const laid = (titles, width, light, axes, options = {}) => {
    const s = { ...SPACE, ...options };
    const fits = Math.max(1, Math.floor((width - s.left - s.right + s.across) / (s.least + s.across - 60)));
    const columns = Math.min(titles.length, s.columns || fits);
    const rows = Math.ceil(titles.length / columns);
    const inner = Math.max(60, width - s.left - s.right);
    const each = (inner - (columns - 1) * s.across) / columns;
    const tall = rows * s.height + (rows - 1) * s.down;
    const layout = { ...base(light), width, height: tall + s.top + s.bottom, annotations: [] };
    layout.margin = { l: s.left, r: s.right, t: s.top, b: s.bottom };
    titles.forEach((title, i) => {
      const column = i % columns;
      const row = Math.floor(i / columns);
      const x0 = (column * (each + s.across)) / inner;
      const y1 = 1 - (row * (s.height + s.down)) / tall;
      const { x, y } = axes(i, { column, row, last: i + columns >= titles.length });
      const id = i ? String(i + 1) : "";
      const domains = [[x0, Math.min(1, x0 + each / inner)], [Math.max(0, y1 - s.height / tall), y1]];
      layout[`xaxis${id}`] = axis(light, { ...x, domain: domains[0], anchor: `y${id}` });
      layout[`yaxis${id}`] = axis(light, { ...y, domain: domains[1], anchor: `x${id}` });
      layout.annotations.push({
        text: text.plain(text.short(title, Math.floor(each / 7.5))),
        x: (domains[0][0] + domains[0][1]) / 2, y: y1, xref: "paper", yref: "paper",
        xanchor: "center", yanchor: "bottom", yshift: 6, showarrow: false, font: { size: 13 },
      });
    });
    return layout;
  };

  const key = (i) => ({ xaxis: i ? `x${i + 1}` : "x", yaxis: i ? `y${i + 1}` : "y" });

  // How a model of a run is drawn wherever it stands.
  const look = (entry, light) => ({ color: state.colour(entry.model, light), dash: DASHES[entry.run % DASHES.length] });

  // Colour with opacity, for bands.
  const faint = (hex, opacity) =>
    `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},${opacity})`;

  // The mean over seeds as a line with words for every point, and their range as a band.
  const line = (entry, x, { mean, low, high }, words, light, more = {}) => {
    const { color, dash } = look(entry, light);
    const band = { x, mode: "lines", line: { width: 0 }, hoverinfo: "skip", ...more, showlegend: false };
    const edges = entry.seeds > 1 ? [{ ...band, y: low }, { ...band, y: high, fill: "tonexty", fillcolor: faint(color, 0.2) }] : [];
    const name = text.plain(content.label(entry));
    const hovertext = x.map((v, i) => `${name}<br>${words(v, i)}`);
    return [...edges, { x, y: mean, mode: "lines", line: { color, dash, width: 2 }, hoverinfo: "text", hovertext, name, ...more }];
  };

  return { laid, key, look, faint, line, theme, log };
})();
