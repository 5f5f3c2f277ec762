"""bench.py BUILD [CASE...] - steps per second of Gantry and of PyTorch on the same cores, alternating: one repetition of Gantry, one of each way to
run PyTorch, and again. Every repetition is stored in tests/bench/results/<case>.json; a table is printed. Ratios are medians over the pairs of
neighbouring repetitions, against the best of PyTorch's ways (the one with the highest median).

Environment: THREADS="1 2" (default), REPS=7, SECONDS=0.7 per repetition, RESULTS=folder (default tests/bench/results), VARIANTS="eager channels_last compile"."""
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import time
import zlib

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = sys.argv[1]
REPS, SECONDS = int(os.environ.get("REPS", 7)), float(os.environ.get("SECONDS", 0.7))
RESULTS = os.environ.get("RESULTS", os.path.join(HERE, "results"))
VARIANTS = os.environ.get("VARIANTS", "eager channels_last compile").split()


def png(path, a):
    """The smallest writer of an RGB image."""
    raw = b"".join(b"\0" + row.tobytes() for row in a)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], 8, 2, 0, 0, 0)
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b""))


def draw_images(size, n=1024):
    """Smooth colour images, the same for both programs; only their shape matters."""
    folder = f"build/bench/images{size}"
    if os.path.exists(folder + ".npy"):
        return
    rng, t = np.random.default_rng(size), np.linspace(0, 1, size)
    a = rng.uniform(1, 6, (n, 2, 1, 1, 3))
    x = np.sin(a[:, 0] * t[None, :, None, None] * 3 + a[:, 1] * t[None, None, :, None] * 3)
    images = ((x + 1) * 127.5).astype(np.uint8)
    os.makedirs(folder, exist_ok=True)
    for k, im in enumerate(images):
        png(f"{folder}/{k:05d}.png", im)
    np.save(folder + ".npy", images)


class Side:
    def __init__(self, command, threads, env=()):
        # passive: a waiting thread sleeps. Gantry has it so always; with active waiting PyTorch on two threads falls a hundredfold where anything else runs.
        e = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive", **dict(env))
        self.begin = time.perf_counter()
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=e, stderr=open("build/bench/stderr.log", "a"))
        first = self.steps(1)
        self.ok, self.first, self.rows = first is not None, time.perf_counter() - self.begin, []

    def steps(self, n):
        try:
            self.p.stdin.write(f"steps {n}\n")
            self.p.stdin.flush()
            line = self.p.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else None

    def calibrate(self):
        """How many steps make one repetition; the first ones are thrown away."""
        n = 2
        while True:
            r = self.steps(n)
            if r["wall"] > SECONDS / 4:
                self.n = max(1, round(n * SECONDS / r["wall"]))
                return
            n *= 2

    def repeat(self):
        r = self.steps(self.n)
        self.peak, self.device = r["peak"], r.get("device")
        self.rows.append({"steps_per_second": self.n / r["wall"], "steps_per_processor_second": self.n / r["cpu"]})

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def median(rows, key="steps_per_second"):
    return statistics.median(r[key] for r in rows)


def same(case, path):
    """Both sides compute the same step: losses and gradients of a trace, recomputed by the peer's own code."""
    trace = f"build/bench/{case}.safetensors"
    subprocess.run(["./gantry", "trace", path, "--steps", "1", "-o", trace], check=True, stdout=subprocess.DEVNULL)
    r = subprocess.run([sys.executable, f"{HERE}/peer.py", path, "check", trace], capture_output=True, text=True)
    os.unlink(trace)
    if r.returncode:
        sys.exit(f"{case}: Gantry and its peer do not compute the same thing: {r.stdout}{r.stderr[-2000:]}")
    return json.loads(r.stdout)["worst"]


def measure(case, threads):
    path = f"{HERE}/cases/{case}.json"
    server = [f"{BUILD}/bench/step_server", path, "--set", f"train.threads={threads}"]
    cache = os.path.abspath(f"build/bench/cache-{os.getpid()}")
    cold = Side(server, threads, {"GANTRY_CACHE": cache}.items())
    cold_s = cold.first
    while time.perf_counter() - cold.begin < 8:  # until its kernels are compiled and kept
        cold.steps(1)
    cold.close()
    gantry = Side(server, threads, {"GANTRY_CACHE": cache}.items())
    peers = {v: Side([sys.executable, f"{HERE}/peer.py", path, v, str(threads)], threads) for v in VARIANTS}
    peers = {v: s for v, s in peers.items() if s.ok}
    sides = [gantry, *peers.values()]
    for s in sides:
        s.calibrate()
    for _ in range(REPS):
        for s in sides:
            s.repeat()
    for s in sides:
        s.close()
    subprocess.run(["rm", "-rf", cache])
    best = max(peers, key=lambda v: median(peers[v].rows))
    pairs = lambda key: [a[key] / b[key] for a, b in zip(gantry.rows, peers[best].rows)]
    return {"threads": threads, "load_average": os.getloadavg()[0], "peer": f"pytorch {best}", "ratio": round(statistics.median(pairs("steps_per_second")), 3),
            "ratio_processor_time": round(statistics.median(pairs("steps_per_processor_second")), 3),
            "gantry": {"repetitions": gantry.rows, "peak_bytes": gantry.peak, "device_bytes": gantry.device, "first_step_cold_s": round(cold_s, 3), "first_step_warm_s": round(gantry.first, 3)},
            "pytorch": {v: {"repetitions": s.rows, "peak_bytes": s.peak, "first_step_s": round(s.first, 3)} for v, s in peers.items()}}


def flops(case):
    """Multiplications and additions of one step in matrix products and convolutions, from the plans."""
    total = 0.0
    x = json.load(open(f"{HERE}/cases/{case}.json"))["base"]["train"]
    for program, times in (("d_step", x.get("d_steps", 1)), ("g_step", 1)):
        text = subprocess.run(["./gantry", "explain", f"{HERE}/cases/{case}.json", "--program", program, "--stage", "kernels"], capture_output=True, text=True).stdout
        for line in text.splitlines():
            if line.startswith("total ") and "contraction GFLOP" in line:
                total += times * float(line.split("contraction GFLOP ")[1].split()[0]) * 1e9
    return total


def beyond_products(case, record):
    """Microseconds of one step on one thread, where it is small: measured in matrix products (the shortest time of each, from the plans), and what a step
    takes beyond them in processor time."""
    products, x = 0.0, json.load(open(f"{HERE}/cases/{case}.json"))["base"]["train"]
    one = next((r for r in record["runs"] if r["threads"] == 1), None)
    if not one or record["contraction_flops"] > 1e8:
        return
    for program, times in (("d_step", x.get("d_steps", 1)), ("g_step", 1)):
        command = ["./gantry", "explain", f"{HERE}/cases/{case}.json", "--program", program, "--stage", "kernels", "--measure", "2000"]
        step = ""
        for line in subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS="1")).stdout.splitlines():
            if line[:1].isdigit():
                step = line
            elif "MATMUL" in step and ", measured " in line:
                products += times * float(line.split(", measured ")[1].split()[0])
    whole = 1e6 / max(r["steps_per_processor_second"] for r in one["gantry"]["repetitions"])
    record["microseconds"] = {"step": round(whole, 1), "products": round(products, 1), "beyond_products": round(whole - products, 1)}
    print(f"{'':<12} a step takes {whole:.1f} us of processor time, {products:.1f} of them in matrix products: {whole - products:.1f} beyond")


def main():
    os.makedirs("build/bench", exist_ok=True)
    os.makedirs(RESULTS, exist_ok=True)
    draw_images(32)
    draw_images(48)
    cases = sys.argv[2:] or [n[:-5] for n in sorted(os.listdir(f"{HERE}/cases")) if n.endswith(".json")]
    import torch
    model = next((l.split(": ")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    head = {"machine": f"{model}, {os.cpu_count()} cores", "system": platform.platform(), "versions": {"pytorch": torch.__version__, "compiler": subprocess.run(["cc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]}}
    columns = "{:<12} {:>2} {:>9} {:>9} {:<14} {:>6} {:>6} {:>8} {:>8} {:>7} {:>7} {:>7} {:>6}"
    print(columns.format("case", "th", "gantry/s", "torch/s", "its best way", "ratio", "(cpu)", "mem MB", "torchMB", "cold s", "warm s", "torch s", "% peak"))
    for case in cases:
        record = dict(head, case=case, date=time.strftime("%Y-%m-%d"), agreement=same(case, f"{HERE}/cases/{case}.json"), contraction_flops=flops(case), runs=[])
        for threads in [int(t) for t in os.environ.get("THREADS", "1 2").split()]:
            peak = json.loads(subprocess.run([f"{BUILD}/bench/machine_peak"], capture_output=True, text=True, check=True, env=dict(os.environ, OMP_NUM_THREADS=str(threads))).stdout)
            r = measure(case, threads)
            record["versions"]["gantry"] = peak.pop("libraries")
            r["machine_peak"] = peak
            r["fraction_of_peak"] = round(record["contraction_flops"] * median(r["gantry"]["repetitions"]) / (peak["convolution_gflops"] * 1e9), 3)
            record["runs"].append(r)
            best = r["peer"].split()[1]
            t = r["pytorch"][best]
            print(columns.format(case, threads, f"{median(r['gantry']['repetitions']):.4g}", f"{median(t['repetitions']):.4g}", best, f"{r['ratio']:.2f}", f"{r['ratio_processor_time']:.2f}", f"{r['gantry']['peak_bytes'] / 1e6:.0f}",
                                 f"{min(p['peak_bytes'] for p in r['pytorch'].values()) / 1e6:.0f}", r["gantry"]["first_step_cold_s"], r["gantry"]["first_step_warm_s"], t["first_step_s"], f"{100 * r['fraction_of_peak']:.0f}"), flush=True)
        beyond_products(case, record)
        json.dump(record, open(f"{RESULTS}/{case}.json", "w"), indent=1)


if __name__ == "__main__":
    main()
