// The power law of a spectrum over any window of the page's grid, from cumulative sums: λₙ ∝ n^(−α), weighted least squares
// of y = log(λₙ/λ₁) on x = log n, weights equal or 1/n.  The same numbers as the library's, to rounding.
const fitting = (grid) => {
  // Cumulative sums of w, wx, wxx at the ranks of the grid, for both kinds of weights.
  const known = Object.fromEntries(
    [["uniform", () => 1], ["1/n", (n) => 1 / n]].map(([name, weight]) => {
      const sums = [0, 0, 0];
      let n = 0;
      return [name, grid.map((last) => {
        for (; n < last; ) {
          n += 1;
          const [w, x] = [weight(n), Math.log(n)];
          [w, w * x, w * x * x].forEach((v, i) => { sums[i] += v; });
        }
        return [...sums];
      })];
    }),
  );

  // The rows of one spectrum, as measured and freed of the bias of finite sampling: y at the grid, and Σy, Σxy for each
  // kind of weights.
  const unpacked = ({ packed, floor }) => {
    const numbers = new Float64Array(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)).buffer);
    const length = numbers.length / 10;
    const row = (i) => numbers.subarray(i * length, (i + 1) * length);
    const sums = (i) => ({ y: row(i), uniform: [row(i + 1), row(i + 2)], "1/n": [row(i + 3), row(i + 4)] });
    return { floor, length, measured: sums(0), corrected: sums(5) };
  };

  const line = (sums, from, to, weights) => {
    const n = grid[from];
    const w = weights === "1/n" ? 1 / n : 1;
    const x = Math.log(n);
    const first = [w, w * x, w * x * x];
    const [sw, sx, sxx] = first.map((own, i) => known[weights][to][i] - known[weights][from][i] + own);
    const [sy, sxy] = sums[weights].map((row, i) => row[to] - row[from] + w * (i ? x : 1) * sums.y[from]);
    const alpha = -(sxy - (sx * sy) / sw) / (sxx - (sx * sx) / sw);
    return { alpha, intercept: (sy + alpha * sx) / sw };
  };

  // {alpha, intercept} over the ranks grid[from] .. grid[to], both included, or null where the spectrum ends before.
  // The bias of finite sampling is taken out where it is known at every rank of the window.
  const law = (spectrum, from, to, weights) => {
    if (to >= spectrum.length || grid[to] - grid[from] < 2) return null;
    const corrected = line(spectrum.corrected, from, to, weights);
    return Number.isFinite(corrected.alpha) ? corrected : line(spectrum.measured, from, to, weights);
  };

  // The place in the grid of a rank of it, or the nearest.
  const place = (rank) =>
    grid.reduce((best, n, i) => (Math.abs(n - rank) < Math.abs(grid[best] - rank) ? i : best), 0);

  return { law, place, unpacked };
};
