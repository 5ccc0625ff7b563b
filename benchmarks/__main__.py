"""`python -m benchmarks [--only NAME …] [--out FILE]`: the ratio table, printed and kept as JSON, row by row."""

import argparse
import importlib
import json
import math
import pkgutil
from dataclasses import asdict
from pathlib import Path

import benchmarks
from eigencode.study._provenance import provenance

SKIP = {"__main__", "compare", "timing"}


def main() -> None:
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in SKIP]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    parser.add_argument("--out", type=Path, help="rows of other benchmarks that are already in the file stay")
    chosen = parser.parse_args()
    results = []
    print(f"{'work':<58} {'straightforward':>15} {'here':>10} {'ratio':>7} {'wanted':>7}")
    for name in chosen.only:
        for r in importlib.import_module(f"benchmarks.{name}").run():
            wanted = "" if math.isnan(r.wanted) else f"{r.wanted:.1f}"
            times = f"{r.straightforward_s:>13.4f} s {r.product_s:>8.4f} s {r.ratio:>7.1f} {wanted:>7}"
            print(f"{r.work:<58} {times}   {r.note}", flush=True)
            row = {"benchmark": name, **asdict(r), "ratio": r.ratio, "provenance": provenance()}
            results.append({k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()})
    if chosen.out:
        kept = json.loads(chosen.out.read_text())["results"] if chosen.out.is_file() else []
        rows = [r for r in kept if r["benchmark"] not in chosen.only] + results
        rows.sort(key=lambda r: str(r["benchmark"]))
        chosen.out.write_text(json.dumps({"results": rows}, indent=1) + "\n")
        print(f"written to {chosen.out}")


main()
