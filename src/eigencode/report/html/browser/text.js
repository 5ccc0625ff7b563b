// Text of unknown origin as text: for plotly, for CSV cells, for file names; and numbers as the tables write them.
const text = (() => {
  // Plotly reads a few HTML tags and entities in its texts; after this a name is shown letter by letter.
  const plain = (name) => String(name).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  const short = (name, longest) => {
    const letters = Array.from(String(name));
    return letters.length <= longest ? letters.join("") : letters.slice(0, Math.max(1, longest - 1)).join("") + "…";
  };

  // A cell that begins like a formula would be run by a spreadsheet: an apostrophe in front makes it text.
  const cell = (value) => {
    if (value === null || value === undefined || Number.isNaN(value)) return "";
    if (typeof value === "number") return String(value);
    const safe = /^[\s]*[=+\-@\t\r]/.test(value) ? "'" + value : value;
    return '"' + safe.replace(/"/g, '""').replace(/[\r\n]+/g, " ") + '"';
  };

  const csv = (rows) => rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

  const fileName = (...words) =>
    words.map((w) => String(w).replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, 60)).join("-").replace(/^[._-]+/, "") || "figure";

  // Four significant digits, without an exponent where a reader can do without.
  const number = (value, digits = 4) => {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(digits - 1);
    return String(Number(value.toPrecision(digits)));
  };

  // Mean and standard deviation to two digits of the deviation; ± is for intervals.
  const measured = (mean, spread) => {
    if (!Number.isFinite(mean) || !(spread > 0)) return number(mean);
    const width = Number(spread.toPrecision(2));
    const digits = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(width))));
    return `${mean.toFixed(digits)} (sd ${width.toFixed(digits)})`;
  };

  return { plain, short, csv, fileName, number, measured };
})();
