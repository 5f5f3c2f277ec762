"""bench_gpu.py BUILD [CASE...] - steps and images per second of Gantry and of PyTorch on one GPU, alternating as in tests/bench/bench.py; and a packed grid.

Gantry runs in f32 and in TF32. PyTorch's ways, of which the best counts: eager; channels_last; compile; graphs (the whole step captured, fused capturable Adam,
batches drawn on the device); each in f32, with TF32 allowed, and under bf16 autocast. Every repetition is stored in tests/bench/results/gpu/<case>.json, in the form of
`make bench`; ceilings of the machine (matrix products in f32 and TF32, copies) are measured in the same run.

The grid: 16 processes of Gantry at once, taking turns on the GPU and sharing it through MPS, against one of PyTorch's best way, whose 16 runs would follow one another.
Environment: REPS=7, SECONDS=1 per repetition, VARIANTS, RESULTS=folder; GANTRY_BENCH_DRY=1 runs everything on the CPU for a moment: a check of this script."""
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = sys.argv[1]
DRY = bool(os.environ.get("GANTRY_BENCH_DRY"))
os.environ.setdefault("SECONDS", "0.05" if DRY else "1")
os.environ.setdefault("REPS", "1" if DRY else "7")
sys.path.insert(0, os.path.dirname(HERE))
sys.argv = [sys.argv[0], BUILD] + sys.argv[2:]
import bench  # noqa: E402  (Side, median, draw_images: the same measuring as on the CPU)
import torch  # noqa: E402

RESULTS = os.environ.get("RESULTS", os.path.join(os.path.dirname(HERE), "results", "gpu"))
DEVICE = "cpu" if DRY else "cuda"
VARIANTS = os.environ.get("VARIANTS", "eager channels_last" if DRY else "eager channels_last compile graphs tf32 channels_last+tf32 compile+tf32 graphs+tf32 compile+bf16 graphs+bf16").split()
PEER = os.path.join(os.path.dirname(HERE), "peer.py")


def ceilings():
    """TFLOP/s of a large matrix product, GB/s of a large copy."""
    n, out = 256 if DRY else 8192, {}
    a, b = (torch.randn(n, n, device=DEVICE) for _ in range(2))
    wait = (lambda: None) if DRY else torch.cuda.synchronize

    def best(f, amount):
        f()
        wait()
        times = []
        for _ in range(5):
            t = time.perf_counter()
            f()
            wait()
            times.append(time.perf_counter() - t)
        return amount / min(times)
    for name, tf32 in (("f32", False), ("tf32", True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        out[f"matmul_{name}_tflops"] = round(best(lambda: a @ b, 2 * n ** 3) / 1e12, 2)
    x = torch.empty(1 << (20 if DRY else 29), dtype=torch.uint8, device=DEVICE)
    y = torch.empty_like(x)
    out["copy_gb_s"] = round(best(lambda: y.copy_(x), 2 * x.numel()) / 1e9, 1)
    return out


def server(path, precision):
    return [f"{BUILD}/bench/step_server", path, "--device", os.environ.get("GANTRY_BENCH_DEVICE", DEVICE), "--set", f"train.precision={precision}"]


def measure(case):
    path = f"{HERE}/{case}.json"
    batch = json.load(open(path))["base"]["train"]["batch"]
    ours = {p: bench.Side(server(path, p), 1) for p in (["f32", "bf16"] if DRY else ["f32", "tf32", "bf16"])}
    peers = {v: bench.Side([sys.executable, PEER, path, v, "1"], 1, {"PEER_DEVICE": DEVICE}.items()) for v in VARIANTS}
    peers = {v: s for v, s in peers.items() if s.ok}
    ours = {p: s for p, s in ours.items() if s.ok}
    if not ours or not peers:
        sys.exit(f"{case}: {'Gantry' if not ours else 'PyTorch'} does not start: build/bench/stderr.log tells")
    sides = [*ours.values(), *peers.values()]
    for s in sides:
        s.calibrate()
    for _ in range(bench.REPS):
        for s in sides:
            s.repeat()
    for s in sides:
        s.close()
    rate = lambda s: bench.median(s.rows)
    best_ours, best = max(ours, key=lambda p: rate(ours[p])), max(peers, key=lambda v: rate(peers[v]))
    exact = max((v for v in peers if "+" not in v and v != "tf32"), key=lambda v: rate(peers[v]))
    pairs = lambda a, b: round(statistics.median(x["steps_per_second"] / y["steps_per_second"] for x, y in zip(a.rows, b.rows)), 3)
    return {"peer": f"pytorch {best}", "gantry_way": best_ours, "ratio": pairs(ours[best_ours], peers[best]), "ratio_f32": pairs(ours["f32"], peers[exact]),
            "ratio_eager": pairs(ours[best_ours], peers["eager"]) if "eager" in peers else None, "images_per_second": round(batch * rate(ours[best_ours]), 1),
            "gantry": {p: {"repetitions": s.rows, "device_bytes": s.device, "first_step_s": round(s.first, 3)} for p, s in ours.items()},
            "pytorch": {v: {"repetitions": s.rows, "peak_bytes": s.peak, "first_step_s": round(s.first, 3)} for v, s in peers.items()}}


@contextlib.contextmanager
def mps(wanted):
    """Variables for processes that share the GPU through a daemon of MPS of their own; None where there is none to be had. Without: where no daemon answers."""
    folder = tempfile.mkdtemp(prefix="gantry-mps-", dir="/tmp")
    env = {"CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{folder}/log"}
    control = shutil.which("nvidia-cuda-mps-control") if wanted else None
    for d in env.values():
        os.mkdir(d)
    try:
        started = control and subprocess.run([control, "-d"], env={**os.environ, **env}, stdin=subprocess.DEVNULL).returncode == 0
        yield env if started or not wanted else None
        if started:
            subprocess.run([control], env={**os.environ, **env}, input="quit -t 5\n", text=True, stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def packed(path, n, steps, env):
    """Seconds that n processes of Gantry at once take for so many steps each, or None where not all of them start."""
    sides = [bench.Side(server(path, "f32"), 1, env.items()) for _ in range(n)]
    ok = all(s.ok for s in sides)
    for s in sides:
        if ok:
            s.steps(steps)  # captured now, and what follows is replayed
    for s in sides:
        if ok:
            s.p.stdin.write(f"steps {steps}\n")
    t = time.perf_counter()
    for s in sides:
        if ok:
            s.p.stdin.flush()
    for s in sides:
        if ok:
            s.p.stdout.readline()
    wall = time.perf_counter() - t
    for s in sides:
        if s.ok:
            s.close()
    return round(wall, 3) if ok else None


def grid(best):
    """Runs an hour: 16 runs of Gantry at once, taking turns and sharing the GPU through MPS, against PyTorch's one after another, from steady steps per second."""
    path, n = f"{HERE}/dcgan32.json", 2 if DRY else 16
    steps = 2 if DRY else 400
    walls = {}
    for way, wanted in (("turns", False), ("mps", True)):
        with mps(wanted) as env:
            walls[way] = packed(path, n, steps, env) if env is not None else None
    if walls["turns"] is None:
        return {"error": f"not all of {n} processes started"}
    peer = bench.Side([sys.executable, PEER, path, best, "1"], 1, {"PEER_DEVICE": DEVICE}.items())
    peer.steps(steps)
    alone = peer.steps(steps)["wall"]
    peer.close()
    return {"runs": n, "steps": steps, "gantry_wall_s": walls, "pytorch_wall_s_of_one": round(alone, 3), "peer": f"pytorch {best}",
            "ratio": {way: round(n * alone / w, 3) if w else None for way, w in walls.items()}}


def main():
    os.makedirs("build/bench", exist_ok=True)
    os.makedirs(RESULTS, exist_ok=True)
    for size in (32, 64):
        bench.draw_images(size)
    cases = sys.argv[2:] or [n[:-5] for n in sorted(os.listdir(HERE)) if n.endswith(".json")]
    head = {"machine": platform.machine() if DRY else torch.cuda.get_device_name(0), "system": platform.platform(), "versions": {"pytorch": torch.__version__, "cuda": torch.version.cuda}, "ceilings": ceilings()}
    print(head["machine"], head["ceilings"])
    columns = "{:<14} {:>10} {:>10} {:<20} {:>7} {:>7} {:>8} {:>10}"
    print(columns.format("case", "gantry/s", "torch/s", "its best way", "ratio", "f32", "x eager", "images/s"))
    best = "eager"
    for case in cases:
        r = measure(case)
        best = r["peer"].split()[1]
        print(columns.format(case, f"{bench.median(r['gantry'][r['gantry_way']]['repetitions']):.4g}", f"{bench.median(r['pytorch'][best]['repetitions']):.4g}", best, f"{r['ratio']:.2f}", f"{r['ratio_f32']:.2f}",
                             f"{r['ratio_eager']:.2f}" if r["ratio_eager"] else "-", f"{r['images_per_second']:.0f}"), flush=True)
        json.dump(dict(head, case=case, date=time.strftime("%Y-%m-%d"), runs=[r]), open(f"{RESULTS}/{case}.json", "w"), indent=1)
        if case == "dcgan32":
            g = grid(best)
            print("packed grid", g)
            json.dump(dict(head, case="packed grid", date=time.strftime("%Y-%m-%d"), runs=[g]), open(f"{RESULTS}/packed grid.json", "w"), indent=1)


main()
