// What is looked at: the data set, the models and runs that are switched on, light or dark.
const state = (() => {
  const hidden = { models: new Set(), runs: new Set() };
  const listeners = [];
  const now = { data: 0 };
  const root = document.documentElement;
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

  const changed = () => listeners.forEach((told) => told());
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const shown = (entries) =>
    entries.filter((e) => e.data === now.data && !hidden.models.has(e.model) && !hidden.runs.has(e.run));

  const colour = (model, light) => {
    if (model === content.itself) return light ? "#000000" : "#ffffff";
    return content.palette[model % content.palette.length];
  };

  // A row of switches; `pressed` is the state a screen reader hears.
  const switches = (node, names, off, swatch) => {
    names.forEach((name, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "chip";
      button.setAttribute("aria-pressed", "true");
      if (swatch) {
        const mark = document.createElement("span");
        mark.className = "swatch";
        if (i === content.itself) mark.classList.add("ink");
        else mark.style.background = colour(i, true);
        button.append(mark);
      }
      const words = document.createElement("bdi");
      words.textContent = text.short(name, 40) || "(no name)";
      button.append(words);
      button.addEventListener("click", () => {
        if (!off.delete(i)) off.add(i);
        button.setAttribute("aria-pressed", String(!off.has(i)));
        changed();
      });
      node.append(button);
    });
  };

  const toolbar = () => {
    const choice = document.getElementById("data-set");
    content.data.forEach((name, i) => choice.add(new Option(text.short(name, 40) || "(no name)", String(i))));
    choice.closest("label").hidden = content.data.length < 2;
    choice.addEventListener("change", () => {
      now.data = Number(choice.value);
      changed();
    });
    switches(document.getElementById("models"), content.models, hidden.models, true);
    switches(document.getElementById("runs"), content.runs.map((r) => r.label), hidden.runs, false);
    document.getElementById("runs").hidden = !content.several;
    const theme = document.getElementById("theme");
    const told = () => {
      theme.setAttribute("aria-pressed", String(dark()));
      changed();
    };
    theme.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      told();
    });
    prefersDark.addEventListener("change", told);
    theme.setAttribute("aria-pressed", String(dark()));
    if (window.innerWidth < 700) document.getElementById("toolbar").open = false;
  };

  return { now, shown, colour, dark, toolbar, changed, onChange: (told) => listeners.push(told) };
})();
