// One slider over training for each data set.  A mark with `frames` [first, last] is shown while the slider stands there, a
// table tells the numbers of that moment, and in figures with a `cursor` a line stands at its training steps.
const inTime = drawn.filter(({ figure }) => figure.frames);
inTime.forEach((d) => {
  const { name, figure, card, scales, redraw: update } = d;
  const { data, frames } = figure;
  at[data] = frames.length - 1;
  figure.marks.forEach((mark) => { mark.data = data; });
  const lines = figure.cursor ? figure.panels.map(({ box: [, top, , bottom] }, p) => {
    const line = document.createElementNS(card.querySelector("svg").namespaceURI, "path");
    line.setAttribute("class", "cursor");
    document.getElementById(`${name}-panel-${p}`).append(line);
    return (x) => line.setAttribute("d", `M${x} ${top}V${bottom}`);
  }) : [];
  const table = element("table", { id: `${name}-numbers`, "aria-live": "polite" });
  const numbers = () => {
    const now = figure.rows.filter((row) => shown({ ...row, data }));
    const line = (words, cells, kind) => {
      const row = element("tr");
      row.append(element("th", { scope: "row" }, words), ...cells.map((text) => element(...(kind ? ["th", { scope: kind }] : ["td", {}]), text)));
      return row;
    };
    table.replaceChildren(
      line("", now.map(label), "col"),
      line("training steps", now.map((row) => row.step)),
      ...figure.columns.map((words, i) => line(words, now.map((row) => row.cells[i]))),
    );
    time.set(at[data]);
  };
  const time = figure.columns && slider(`${name}-step`, "Training steps", frames, (k) => {
    at[data] = k;
    inTime.filter((other) => other.figure.data === data).forEach((other) => other.redraw());
  });
  if (time) {
    const box = element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Numbers of the chosen moment" });
    box.append(table);
    card.querySelector(".controls").append(time.row);
    card.querySelector(".plot").append(box);
  }
  d.redraw = () => {
    update();
    lines.forEach((move, p) => move(scales[p].x(frames[at[data]])));
    if (time) numbers();
  };
});

// Print shows the last moment.
(() => {
  let chosen = {};
  const all = (places) => { Object.assign(at, places); inTime.forEach((d) => d.redraw()); };
  window.addEventListener("beforeprint", () => {
    chosen = { ...at };
    all(Object.fromEntries(inTime.map(({ figure }) => [figure.data, figure.frames.length - 1])));
  });
  window.addEventListener("afterprint", () => all(chosen));
})();
