// A figure of the page is the SVG for print with its numbers: models on and off, values at the pointer, parts that move.
// What has no identity of its own, such as a picture, is hidden with its panel.
const content = JSON.parse(document.getElementById("content").textContent);
const tip = document.getElementById("tip");
const off = { m: new Set(), r: new Set() };
const at = {}; // the place of the slider over training, by data set
const label = ({ m, r }) => (content.runs.length > 1 ? `${content.models[m]} · ${content.runs[r]}` : content.models[m]);
const shown = ({ m, r, data, frames: [first, last] = [0, Infinity] }) => !off.m.has(m) && !off.r.has(r) && !(at[data] < first || at[data] > last);

const element = (tag, attributes = {}, words = "") => {
  const node = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
  node.textContent = words;
  return node;
};

// The model of an entry of a legend.
const modelOf = (node) => Number(/-key-(\d+)/.exec(node.id)[1]);

// Four significant digits, without an exponent where a reader can do without.
const number = (value, digits = 4) => {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
};

const csv = (figure) => {
  // A cell that begins like a formula would be run by a spreadsheet: an apostrophe in front makes it text.
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const safe = /^\s*[=+\-@]/.test(value) ? `'${value}` : value;
    return `"${safe.replace(/"/g, '""').replace(/[\r\n]+/g, " ")}"`;
  };
  const rows = [["run", "data", "model", "seed", "panel", "what", "x is", "x", "y is", "y", "low", "high", "value is", "value"]];
  figure.marks.filter((k) => k.x && shown(k)).forEach((k) => {
    const { title, xlabel, ylabel } = figure.panels[k.p];
    const head = [content.runs[k.r], content.data[figure.data], content.models[k.m], k.seed, title, k.what, xlabel];
    if (k.z) k.z.forEach((row, i) => row.forEach((v, j) => rows.push([...head, k.x[j], ylabel, k.y[i], null, null, title, v])));
    else k.x.forEach((x, i) => rows.push([...head, x, ylabel, k.y[i], k.low && k.low[i], k.high && k.high[i], null, null]));
  });
  return `${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
};

// From numbers to places on an axis [low, high, scale] that reaches from `start` to `end`.
const along = ([low, high, scale, linear, decades], start, end) => {
  const symlog = (v) => (v <= linear ? (v / linear) * decades : decades + Math.log10(v / linear));
  const f = { log: Math.log10, symlog }[scale] || ((v) => v);
  return (v) => start + ((f(v) - f(low)) / (f(high) - f(low))) * (end - start);
};

const drawn = Object.entries(content.figures).map(([name, figure]) => {
  const card = document.getElementById(name);
  const plot = card.querySelector(".plot");
  const svg = plot.querySelector("svg");
  const parts = figure.marks.map(() => []);
  card.querySelectorAll(`[id^="${name}-mark-"]`).forEach((node) => parts[Number(node.id.slice(name.length + 6).split("-")[0])].push(node));
  figure.marks.filter((mark) => !mark.aside).forEach((mark) => {
    const of = parts[figure.marks.indexOf(mark)];
    if (!of.length) of.push(document.getElementById(`${name}-panel-${mark.p}`));
  });
  const scales = figure.panels.map(({ box: [left, top, right, bottom], x, y }) => ({ x: along(x, left, right), y: along(y, bottom, top) }));
  const spot = document.createElementNS(svg.namespaceURI, "circle");
  spot.setAttribute("class", "spot");
  spot.setAttribute("r", "4");

  const redraw = () => {
    figure.marks.forEach((mark, i) => parts[i].forEach((node) => { node.setAttribute("display", shown(mark) ? "inline" : "none"); }));
    card.querySelectorAll(`[id^="${name}-key-"]`).forEach((node) => { node.style.opacity = off.m.has(modelOf(node)) ? 0.25 : 1; });
  };

  // The nearest point to a place of a panel, and its distance.
  const nearest = (p, x, y) => {
    const [left, top, right, bottom] = figure.panels[p].box;
    let best = { distance: 14 };
    figure.marks.forEach((mark) => {
      if (mark.p !== p || !mark.x || mark.aside || !shown(mark)) return;
      if (mark.z && (x < left || x > right || y < top || y > bottom)) return;
      const near = (values, scale, at) => values.reduce((b, v, i) => (v !== null && Math.abs(scale(v) - at) < Math.abs(scale(values[b]) - at) ? i : b), 0);
      if (mark.z) {
        const [j, i] = [near(mark.x, scales[p].x, x), near(mark.y, scales[p].y, y)];
        best = { distance: 0, mark, i: j, value: mark.z[i][j], at: [scales[p].x(mark.x[j]), scales[p].y(mark.y[i])], y: mark.y[i] };
        return;
      }
      mark.x.forEach((v, i) => {
        const at = [scales[p].x(v), scales[p].y(mark.y[i])];
        const distance = Math.hypot(at[0] - x, at[1] - y);
        if (distance < best.distance) best = { distance, mark, i, at, y: mark.y[i] };
      });
    });
    return best;
  };

  const told = ({ mark, i, y, value }) => {
    const { title, xlabel, ylabel } = figure.panels[mark.p];
    const interval = mark.low && mark.low[i] !== null && mark.low[i] !== undefined ? ` [${number(mark.low[i])}, ${number(mark.high[i])}]` : "";
    const lines = [`${label(mark)}${mark.seed === undefined ? "" : `, seed ${mark.seed}`}`, mark.what && value === undefined ? mark.what : ""];
    if (xlabel) lines.push(`${xlabel}: ${number(mark.x[i])}${ylabel ? "" : interval}`);
    if (ylabel) lines.push(`${ylabel}: ${number(y)}${value === undefined ? interval : ""}`);
    if (value !== undefined) lines.push(`${mark.what || title}: ${number(value)}`);
    return lines.filter(Boolean).join("\n");
  };

  plot.addEventListener("pointermove", (event) => {
    const own = event.target.closest("svg");
    const found = own && (() => {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(own.getScreenCTM().inverse());
      const p = figure.panels.findIndex(({ box: [l, t, r, b] }) => x > l - 8 && x < r + 8 && y > t - 8 && y < b + 8);
      return p < 0 ? null : nearest(p, x, y);
    })();
    tip.hidden = !found || !found.mark;
    if (tip.hidden) { spot.remove(); return; }
    tip.textContent = told(found);
    spot.setAttribute("cx", found.at[0]);
    spot.setAttribute("cy", found.at[1]);
    own.append(spot);
    tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY + tip.offsetHeight + 24 > window.innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 16}px`;
  });
  plot.addEventListener("pointerleave", () => { tip.hidden = true; spot.remove(); });

  // On a narrow screen every panel stands for itself, at a size at which it can be read.
  const homes = [];
  const split = (narrow) => {
    if (narrow === homes.length > 0) return;
    while (homes.length) {
      const { nodes, marks, piece } = homes.pop();
      nodes.forEach((node, i) => marks[i].replaceWith(node));
      piece.remove();
    }
    svg.classList.toggle("source", narrow);
    if (!narrow) return;
    figure.pieces.forEach(({ ids, box: [left, top, right, bottom] }) => {
      const nodes = ids.map((id) => document.getElementById(`${name}-${id}`)).filter(Boolean);
      if (!nodes.length) return;
      const marks = nodes.map((node) => {
        const mark = document.createComment("");
        node.replaceWith(mark);
        return mark;
      });
      const piece = svg.cloneNode(false);
      piece.removeAttribute("class");
      piece.setAttribute("viewBox", `${left - 2} ${top - 2} ${right - left + 4} ${bottom - top + 4}`);
      piece.setAttribute("width", Math.round((right - left + 4) * 1.75));
      piece.setAttribute("height", Math.round((bottom - top + 4) * 1.75));
      piece.append(...nodes);
      plot.append(piece);
      homes.push({ nodes, marks, piece });
    });
  };

  const saved = (blob, suffix) => {
    const link = element("a", { href: URL.createObjectURL(blob), download: `${content.file}-${name}.${suffix}` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  const picture = () => {
    const narrow = homes.length > 0;
    split(false);
    const copy = svg.cloneNode(true);
    split(narrow);
    copy.setAttribute("xmlns", svg.namespaceURI);
    copy.setAttribute("font-family", "sans-serif");
    return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
  };
  const act = {
    SVG: () => saved(picture(), "svg"),
    PNG: async () => {
      const image = new Image();
      image.src = URL.createObjectURL(picture());
      await image.decode();
      const canvas = Object.assign(element("canvas"), { width: 2 * image.width, height: 2 * image.height });
      const context = canvas.getContext("2d");
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => saved(blob, "png"));
    },
    CSV: () => saved(new Blob([csv(figure)], { type: "text/csv" }), "csv"),
  };
  Object.entries(act).forEach(([words, run]) => {
    const button = element("button", { type: "button", "aria-label": `Download ${words}: ${card.querySelector("h3").textContent}` }, words);
    button.addEventListener("click", run);
    card.querySelector(".downloads").append(button);
  });
  return { name, figure, card, parts, scales, redraw, split };
});

// A slider over a list of values; any part of a figure may follow it.
const slider = (id, words, values, moved) => {
  const [row, value] = [element("label", { class: "slider" }), element("output", { for: id })];
  const input = element("input", { type: "range", id, min: 0, max: values.length - 1, step: 1 });
  const set = (at) => {
    input.value = at;
    input.setAttribute("aria-valuetext", `${words} ${values[at]}`);
    value.textContent = values[at];
  };
  input.addEventListener("input", () => moved(Number(input.value)));
  row.append(`${words} `, value, input);
  return { row, set };
};
