"""table.py - the stored results of `make bench` as a Markdown table, one line per case and number of threads."""
import glob
import json
import os
import statistics
import sys

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
median = lambda rows: statistics.median(r["steps_per_second"] for r in rows)
print("| case | threads | Gantry, steps/s | PyTorch's best | ratio | in processor time | memory, MB | first step cold / warm, s | of machine's best convolution |")
print("|---|---|---|---|---|---|---|---|---|")
for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
    x = json.load(open(path))
    for r in x["runs"]:
        best = r["peer"].split()[1]
        g, t = r["gantry"], r["pytorch"][best]
        least = min(p["peak_bytes"] for p in r["pytorch"].values())
        print(f"| {x['case']} | {r['threads']} | {median(g['repetitions']):.4g} | {median(t['repetitions']):.4g} ({best}) | {r['ratio']:.2f} | {r['ratio_processor_time']:.2f} | {g['peak_bytes'] / 1e6:.0f} / {least / 1e6:.0f} "
              f"| {g['first_step_cold_s']:.2f} / {g['first_step_warm_s']:.2f} | {100 * r['fraction_of_peak']:.0f} % |")
