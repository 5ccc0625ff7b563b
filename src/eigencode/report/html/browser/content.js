// The results that this page carries, and the names its numbers stand for.
const content = (() => {
  const all = JSON.parse(document.getElementById("content").textContent);

  // Every number of the page that can be infinite was written as a word, as strict JSON has none.
  const real = (value) => (value === null ? NaN : Number(value));

  const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const doubles = (base64) => new Float64Array(bytes(base64).buffer);

  const several = all.runs.length > 1;
  const model = (entry) => all.models[entry.model];
  const label = (entry) => (several ? `${model(entry)} · ${all.runs[entry.run].label}` : model(entry));
  const quantity = (entry) => all.quantities[entry.quantity];
  const quantities = (entries) => [...new Set(entries.map((e) => e.quantity))];

  const titles = all.quantities;

  // The first cells of a row about an entry: run, data set, model and, if it has one, quantity.
  const named = (entry) =>
    [all.runs[entry.run].label, all.data[entry.data], model(entry), ...(entry.quantity === undefined ? [] : [quantity(entry)])];

  // A choice among the quantities of some entries.
  const choice = (name, words, entries) => ({ name, words, options: quantities(entries).map((q) => [String(q), titles[q]]) });

  return { ...all, real, bytes, doubles, several, model, label, quantity, quantities, titles, named, choice };
})();
