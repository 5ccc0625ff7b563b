// Training curves: mean over seeds with their range.
(() => {
  const entries = content.training;
  const WORDS = {
    "local converged": "local rule: share of units converged", "local active": "local rule: share of units that win",
    "local repelled": "local rule: share of winners with a negative current", "local norm": "local rule: median norm of the weights",
    "trained loss": "by gradient: loss with penalties", "trained train_accuracy": "by gradient: training accuracy",
    "trained validation_accuracy": "by gradient: validation accuracy",
  };
  const measures = [...new Set(entries.flatMap((e) => Object.keys(e.measures).map((m) => `${e.step} ${m}`)))];
  const known = Object.keys(WORDS).reverse().filter((m) => measures.includes(m));

  figures.add({
    id: "training",
    title: "Training",
    note: "Lines are means over seeds, bands their range, per epoch.",
    entries,
    choices: [
      { name: "measure", words: "Drawn", options: known.map((m) => [m, WORDS[m]]) },
      { name: "scale", words: "Epochs", options: [["linear", "linear"], ["log", "logarithmic"]] },
    ],
    drawn(listed, setting, width, light) {
      const [step, measure] = setting.measure.split(" ");
      const rows = [["run", "data", "model", "training", "measure", "epoch", "mean", "lowest seed", "highest seed", "seeds"]];
      const here = listed.filter((e) => e.step === step && e.measures[measure].mean.some((v) => v !== null));
      const traces = here.flatMap((e) => {
        const { mean, low, high } = e.measures[measure];
        e.epochs.forEach((x, i) => rows.push([...content.named(e), e.step, measure, x, mean[i], low[i], high[i], e.seeds]));
        const words = (x, i) => `epoch ${x}: ${text.number(mean[i])} (${text.number(low[i], 3)} to ${text.number(high[i], 3)})`;
        return panels.line(e, e.epochs, e.measures[measure], words, light);
      });
      const scale = setting.scale === "log" ? panels.log : { type: "linear" };
      const layout = panels.laid([WORDS[setting.measure]], width, light, () => ({ x: { ...scale, title: "epoch" }, y: { title: "" } }), { columns: 1, height: 300 });
      const said = here.map((e) => `${content.label(e)} ends at ${text.number(e.measures[measure].mean.at(-1), 3)}`);
      return { traces, layout, rows, alt: `${WORDS[setting.measure]}: ${said.join("; ")}.` };
    },
  });
})();
