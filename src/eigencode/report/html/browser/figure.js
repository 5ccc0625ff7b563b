// A figure of the page: its controls, its plot, its caption, and its downloads.  A kind of figure says what is drawn.
const figures = (() => {
  const CONFIG = { displayModeBar: false, responsive: false, typesetMath: false, showTips: false };
  const EXPORT = 1000;
  const PAPER = 660;
  let printing = false;
  const waiting = new Map();

  const element = (tag, attributes = {}, words = "") => {
    const node = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    node.textContent = words;
    return node;
  };

  const saved = (address, name) => {
    const link = element("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
  };

  const savedText = (words, type, name) => {
    const address = URL.createObjectURL(new Blob([words], { type }));
    saved(address, name);
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };

  const chosen = (kind, setting, redraw) => {
    const row = element("div", { class: "controls" });
    (kind.choices || []).forEach(({ name, words, options }) => {
      const listed = typeof options === "function" ? options() : options;
      const label = element("label", {}, `${words} `);
      const select = element("select", { id: `${kind.id}-${name}` });
      listed.forEach(([value, shown]) => select.add(new Option(text.short(shown, 50) || "(no name)", value)));
      setting[name] = listed.length ? listed[0][0] : "";
      label.hidden = listed.length < 2;
      select.addEventListener("change", () => {
        setting[name] = select.value;
        redraw();
      });
      label.append(select);
      row.append(label);
    });
    return row;
  };

  // What a figure shows now: its traces, layout, words for those who cannot see it, rows of its table.
  const present = (kind, setting, width, light) => {
    const entries = state.shown(kind.entries);
    return entries.length ? kind.drawn(entries, setting, width, light) : {};
  };

  const pictured = async (kind, setting, format) => {
    const found = present(kind, setting, EXPORT, true);
    const layout = { ...found.layout, showlegend: true, legend: { orientation: "h", traceorder: "normal", y: -0.14, yanchor: "top" } };
    layout.margin = { ...layout.margin, b: layout.margin.b + 90 };
    layout.height += 90;
    const size = { format, width: EXPORT, height: layout.height, scale: format === "png" ? 2 : 1 };
    return Plotly.toImage({ data: found.traces, layout, config: CONFIG }, size);
  };

  const downloads = (kind, setting) => {
    const row = element("div", { class: "downloads" });
    const name = (suffix) => `${text.fileName(content.runs.length > 1 ? "comparison" : content.runs[0].label, kind.id)}.${suffix}`;
    const act = {
      SVG: async () => saved(await (kind.pictured || pictured)(kind, setting, "svg"), name("svg")),
      PNG: async () => saved(await (kind.pictured || pictured)(kind, setting, "png"), name("png")),
      CSV: () => savedText(text.csv(present(kind, setting, EXPORT, true).rows), "text/csv", name("csv")),
    };
    Object.entries(act).forEach(([words, run]) => {
      const button = element("button", { type: "button", "aria-label": `Download ${words}: ${kind.title}` }, words);
      button.addEventListener("click", run);
      row.append(button);
    });
    return row;
  };

  const add = (kind) => {
    if (!kind.entries.length) return;
    const setting = {};
    const box = element("section", { class: "card", id: kind.id, "aria-labelledby": `${kind.id}-title` });
    const plot = element("div", { class: "plot", role: "img" });
    const nothing = element("p", { class: "soft", hidden: "" }, "Nothing of this is measured for what is switched on.");
    const draw = () => {
      const width = printing ? PAPER : Math.floor(plot.getBoundingClientRect().width || box.getBoundingClientRect().width - 32);
      const found = present(kind, setting, width, !state.dark());
      const empty = !found.rows || found.rows.length < 2;
      nothing.hidden = !empty;
      box.dataset.drawn = String(Number(box.dataset.drawn || 0) + 1);
      [plot, below, row].forEach((node) => { node.hidden = empty; });
      if (empty) return;
      plot.setAttribute("aria-label", text.short(found.alt, 900));
      if (found.node) plot.replaceChildren(found.node);
      else Plotly.react(plot, found.traces, found.layout, CONFIG);
    };
    const redraw = () => {
      waiting.set(box, draw);
      const { top, bottom } = box.getBoundingClientRect();
      if (bottom > -800 && top < window.innerHeight + 800) flush(box);
    };
    box.append(element("h3", { id: `${kind.id}-title` }, kind.title), element("p", { class: "soft" }, kind.note));
    box.append(chosen(kind, setting, redraw));
    if (kind.more) box.append(kind.more(setting, redraw));
    box.append(nothing, plot);
    const below = kind.below ? kind.below(setting) : element("div");
    const row = downloads(kind, setting);
    box.append(below, row);
    document.getElementById("figures").append(box);
    const link = element("a", { href: `#${kind.id}` }, kind.title);
    document.getElementById("contents").append(link);
    state.onChange(redraw);
    let last = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (Math.abs(contentRect.width - last) < 2) return;
      last = contentRect.width;
      redraw();
    }).observe(box);
    watcher.observe(box);
    waiting.set(box, draw);
  };

  const flush = (box) => {
    const draw = waiting.get(box);
    waiting.delete(box);
    if (draw) draw();
  };

  const watcher = new IntersectionObserver(
    (seen) => seen.filter((s) => s.isIntersecting).forEach((s) => flush(s.target)),
    { rootMargin: "800px" },
  );

  // A printed page has every figure, and paper is white.
  window.addEventListener("beforeprint", () => {
    const before = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    printing = true;
    state.changed();
    [...waiting.keys()].forEach(flush);
    window.addEventListener("afterprint", () => {
      printing = false;
      if (before) document.documentElement.dataset.theme = before;
      else delete document.documentElement.dataset.theme;
      state.changed();
    }, { once: true });
  });

  return { add, element, saved };
})();
