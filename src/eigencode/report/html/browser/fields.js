// Weights of locally trained units as pictures, most active, most variable, or farthest from the radius first.
(() => {
  const SIDE = 56;
  const entries = content.fields.map((e) => ({ ...e, bytes: content.bytes(e.pixels) }));
  const views = [...new Map(entries.map((e) => [`${e.run} ${e.model}`, content.label(e)])).entries()];

  const ORDERS = {
    wins: (e, i) => e.wins[i],
    variance: (e, i) => e.variance[i],
    convergence: (e, i) => Math.abs(e.norm[i] - e.radius),
  };

  const ordered = (e, order) =>
    e.units.map((_, i) => i).sort((a, b) => ORDERS[order](e, b) - ORDERS[order](e, a) || a - b).slice(0, e.first);

  // One channel: red positive, blue negative, white or black nothing; three channels: grey is nothing.
  const tile = (e, i, light) => {
    const [channels, height, width] = e.shape;
    const size = channels * height * width;
    const image = new ImageData(width, height);
    for (let p = 0; p < width * height; p += 1) {
      const at = i * size + p * channels;
      const own = Array.from({ length: 3 }, (_, c) => e.bytes[at + (channels === 3 ? c : 0)]);
      if (channels !== 3) {
        const v = (own[0] - 127.5) / 127.5;
        const away = light ? [255 * (1 - Math.max(0, -v)), 255 * (1 - Math.abs(v)), 255 * (1 - Math.max(0, v))] : [255 * Math.max(0, v), 90 * Math.abs(v), 255 * Math.max(0, -v)];
        away.forEach((value, c) => { own[c] = value; });
      }
      image.data.set([...own, 255], 4 * p);
    }
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  };

  const said = (e, i) => `unit ${e.units[i]}: ${e.wins[i]} wins, norm ${text.number(e.norm[i])}, variance ${text.number(e.variance[i], 3)}` +
    (e.converged[i] ? "" : ", not converged");

  const picked = (listed, setting) => listed.find((v) => `${v.run} ${v.model}` === setting.view) || listed[0];

  const kind = {
    id: "fields",
    title: "Receptive fields",
    note: "Weights of locally trained units, first seed, each on its own scale. Units that have not converged have a dashed border.",
    entries,
    choices: [
      { name: "view", words: "Model", options: views },
      { name: "order", words: "First", options: [["wins", "most wins"], ["variance", "largest variance"], ["convergence", "farthest from converged"]] },
    ],
    drawn(listed, setting, width, light) {
      const e = picked(listed, setting);
      if (!e) return {};
      const list = figures.element("div", { class: "gallery" });
      const order = ordered(e, setting.order);
      const rows = [["run", "data", "model", "unit", "wins", "norm", "radius", "converged", "variance"]];
      order.forEach((i) => {
        const canvas = tile(e, i, light);
        canvas.title = said(e, i);
        canvas.dataset.unit = e.units[i];
        if (!e.converged[i]) canvas.className = "unsettled";
        list.append(canvas);
        rows.push([...content.named(e), e.units[i], e.wins[i], e.norm[i], e.radius, String(e.converged[i]), e.variance[i]]);
      });
      const alt = `${order.length} of ${e.total} units of ${content.label(e)}, ${setting.order} first: ${order.slice(0, 3).map((i) => said(e, i)).join("; ")} …`;
      return { node: list, rows, alt };
    },
    async pictured(_, setting, format) {
      const e = picked(state.shown(entries), setting);
      const order = ordered(e, setting.order);
      const columns = Math.ceil(Math.sqrt(order.length * 1.6));
      const [wide, tall] = [columns * SIDE, Math.ceil(order.length / columns) * SIDE];
      const at = (k) => [(k % columns) * SIDE + 2, Math.floor(k / columns) * SIDE + 2, SIDE - 4];
      if (format === "png") {
        const canvas = Object.assign(document.createElement("canvas"), { width: wide, height: tall });
        const context = canvas.getContext("2d");
        context.imageSmoothingEnabled = false;
        context.fillStyle = "#ffffff";
        context.fillRect(0, 0, wide, tall);
        order.forEach((i, k) => { const [x, y, side] = at(k); context.drawImage(tile(e, i, true), x, y, side, side); });
        return canvas.toDataURL("image/png");
      }
      const images = order.map((i, k) => {
        const [x, y, side] = at(k);
        return `<image x="${x}" y="${y}" width="${side}" height="${side}" style="image-rendering:pixelated" href="${tile(e, i, true).toDataURL("image/png")}"/>`;
      });
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${tall}">${images.join("")}</svg>`;
      return `data:image/svg+xml,${encodeURIComponent(svg)}`;
    },
  };

  figures.add(kind);
})();
