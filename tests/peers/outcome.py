"""outcome.py DB - `make proof-outcome`: the recipe of tests/peers/outcome/dcgan_fashion.json trained by PyTorch from its own seeds, beside Gantry's runs of it in DB.

Parity (parity.py) shows that single steps agree; this shows that what matters at the end agrees too. The recipe is written out here as a PyTorch user would
write it (torch.nn modules, torch.optim.Adam, f32), nothing is shared with Gantry's sources; only the weights of the feature network are read. Two checks come first:
the distance computed here between held-out and training images, and of samples drawn here from a generator that Gantry trained, equal what Gantry reports.

Distances are compared as ln fd: the interval is Welch's, 95 %, of the difference of the two means. Results go to tests/peers/outcome/results.json (a row per seed; seeds
already there are not trained again) and OUTCOME.md. Exit 1 if the interval leaves +-10 %."""
import gzip
import json
import math
import os
import platform
import sqlite3
import struct
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from scipy import linalg, stats
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "outcome", "results.json")
RECIPE = json.load(open(os.path.join(HERE, "outcome", "dcgan_fashion.json")))
STEPS, BATCH, WIDTH, Z, LR = 1000, 64, 24, 64, 1e-3
BAND = 0.10


def safetensors(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__", None)
    return {k: torch.from_numpy(np.frombuffer(raw[8 + n + d["data_offsets"][0]:8 + n + d["data_offsets"][1]], np.float32).reshape(d["shape"]).copy()) for k, d in head.items() if d["dtype"] == "F32"}


def images(split):
    raw = gzip.open(f"/usr/share/datasets/fashion-mnist/{split}-images-idx3-ubyte.gz").read()
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28).copy()).float() / 127.5 - 1


class Features:
    """fashion_cnn up to its 96 features, from the weights that ship with Gantry."""

    def __init__(self, path):
        self.w = safetensors(path)

    def norm(self, name, x):
        w = self.w
        return F.batch_norm(x, w[f"{name}/running_mean"], w[f"{name}/running_var"], w[f"{name}/gain"], w[f"{name}/offset"], False, 0.1, 1e-5)

    def __call__(self, x):
        for name, stride in (("a", 1), ("b", 2), ("c", 2)):
            x = F.relu(self.norm(f"features/{name}/norm", F.conv2d(x, self.w[f"features/{name}/conv/weight"].permute(0, 3, 1, 2), stride=stride, padding=1)))
        x = x.permute(0, 2, 3, 1).flatten(1) @ self.w["features/dense/weight"].T
        return F.relu(self.norm("features/dense_norm", x))


def moments(features, x):
    with torch.no_grad():
        f = torch.cat([features(b) for b in x.split(500)]).double().numpy()
    return f.mean(0), np.cov(f, rowvar=False)


def distance(a, b):
    root = linalg.sqrtm(a[1] @ b[1])
    return float(((a[0] - b[0]) ** 2).sum() + np.trace(a[1] + b[1] - 2 * root.real))


def quantize(x):
    """As it would be saved: 256 levels."""
    return ((x + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(Z, 7 * 7 * 2 * WIDTH, bias=False)
        self.norm0 = nn.BatchNorm2d(2 * WIDTH)
        self.up = nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(WIDTH)
        self.image = nn.ConvTranspose2d(WIDTH, 1, 4, 2, 1)

    def forward(self, z):
        x = F.relu(self.norm0(self.project(z).view(-1, 7, 7, 2 * WIDTH).permute(0, 3, 1, 2)))
        return torch.tanh(self.image(F.relu(self.norm1(self.up(x)))))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, WIDTH, 4, 2, 1)
        self.b = nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * WIDTH)
        self.logit = nn.Linear(7 * 7 * 2 * WIDTH, 1)

    def forward(self, x):
        x = F.leaky_relu(self.norm(self.b(F.leaky_relu(self.a(x), 0.2))), 0.2)
        return self.logit(x.flatten(1))[:, 0]


def initialize(m):
    if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(m.weight, 0, 0.02)
        if m.bias is not None:
            nn.init.zeros_(m.bias)


def train(seed, data):
    torch.manual_seed(seed)
    g, d = Generator().apply(initialize), Discriminator().apply(initialize)
    og, od = (torch.optim.Adam(m.parameters(), lr=LR, betas=(0.5, 0.999)) for m in (g, d))
    order, at = torch.randperm(len(data)), 0
    for _ in range(STEPS):
        if at + BATCH > len(order):
            order, at = torch.cat([order[at:], torch.randperm(len(data))]), 0
        real, at = data[order[at:at + BATCH]], at + BATCH
        with torch.no_grad():
            fake = g(torch.randn(BATCH, Z))
        loss = F.softplus(-d(real)).mean() + F.softplus(d(fake)).mean()
        od.zero_grad(set_to_none=True)
        loss.backward()
        od.step()
        loss = F.softplus(-d(g(torch.randn(BATCH, Z)))).mean()
        og.zero_grad(set_to_none=True)
        loss.backward()
        og.step()
    return g.eval()


def sample(g, seed, n=5000):
    torch.manual_seed(1000003 + seed)
    with torch.no_grad():
        return quantize(torch.cat([g(torch.randn(500, Z)) for _ in range(n // 500)]))


def gantry_generator(db, run):
    """A generator that Gantry trained, its weights in the module above."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as f:
        subprocess.run(["./gantry", "export", run, "--out", os.path.dirname(db), "-o", f.name], check=True, stdout=subprocess.DEVNULL)
        w = safetensors(f.name)
    g = Generator().eval()
    with torch.no_grad():
        g.project.weight.copy_(w["g/project/weight"])
        for layer, name in ((g.up, "g/up14/conv"), (g.image, "g/image")):
            layer.weight.copy_(w[f"{name}/weight"].permute(0, 3, 1, 2))
        g.image.bias.copy_(w["g/image/bias"])
        for layer, name in ((g.norm0, "g/project_norm"), (g.norm1, "g/up14/norm")):
            for ours, theirs in (("weight", "gain"), ("bias", "offset"), ("running_mean", "running_mean"), ("running_var", "running_var")):
                getattr(layer, ours).copy_(w[f"{name}/{theirs}"])
    return g


def interval(a, b):
    """Welch's 95 % interval of mean(a) - mean(b)."""
    va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    half = stats.t.ppf(0.975, (va + vb) ** 2 / (va ** 2 / (len(a) - 1) + vb ** 2 / (len(b) - 1))) * math.sqrt(va + vb)
    return np.mean(a) - np.mean(b) - half, np.mean(a) - np.mean(b) + half


def main():
    torch.set_num_threads(1)
    db = sys.argv[1]
    rows = sqlite3.connect(f"file:{db}?mode=ro", uri=True).execute(
        "SELECT seed, run, last FROM results WHERE grid='outcome' AND metric='fd' AND weights='raw' ORDER BY seed").fetchall()
    floor = sqlite3.connect(f"file:{db}?mode=ro", uri=True).execute("SELECT avg(value) FROM curves WHERE grid='outcome' AND metric='fd' AND weights='real'").fetchone()[0]
    seeds = RECIPE["seeds"]
    if len(rows) < seeds:
        sys.exit(f"outcome: {len(rows)} of {seeds} runs of Gantry are finished")
    data, features = images("train"), Features("plugins/archs/fashion_cnn.safetensors")
    real = moments(features, data[:20000])
    here = distance(moments(features, images("t10k")[:5000]), real)
    print(f"held-out images: {floor:.4f} by Gantry, {here:.4f} here", flush=True)
    again = {seed: distance(moments(features, sample(gantry_generator(db, run), seed)), real) for seed, run, _ in rows[:3]}
    for seed, _, value in rows[:3]:
        print(f"generator {seed} that Gantry trained: {value:.3f} by Gantry, {again[seed]:.3f} drawn and measured here", flush=True)
    done = json.load(open(RESULTS)) if os.path.exists(RESULTS) else {}
    recipe = {"steps": STEPS, "batch": BATCH, "width": WIDTH, "z": Z, "lr": LR, "torch": torch.__version__}
    theirs = done.get("pytorch", {}) if done.get("recipe") == recipe else {}
    for seed in range(1, seeds + 1):
        if str(seed) not in theirs:
            theirs[str(seed)] = distance(moments(features, sample(train(seed, data), seed)), real)
            print(f"PyTorch, seed {seed}: {theirs[str(seed)]:.3f}", flush=True)
    ours = {str(seed): value for seed, _, value in rows}
    a, b = (np.log(list(v.values())) for v in (ours, theirs))
    lo, hi = interval(a, b)
    ok = math.log(1 - BAND) < lo and hi < math.log(1 + BAND) and abs(floor - here) < 1e-3 * max(floor, 1)
    json.dump({"recipe": recipe, "gantry": ours, "pytorch": theirs, "floor": {"gantry": floor, "here": here}, "again": {str(k): v for k, v in again.items()}}, open(RESULTS, "w"), indent=1)
    line = lambda name, v: f"| {name} | {len(v)} | {np.mean(v):.2f} ± {np.std(v, ddof=1):.2f} | {np.exp(np.mean(np.log(v))):.2f} | {' '.join(f'{x:.2f}' for x in v)} |"
    text = f"""# One recipe, two programs

`make proof-outcome`: DCGAN on Fashion-MNIST (`tests/peers/outcome/dcgan_fashion.json`: {WIDTH} channels, batch norm in both networks, non-saturating loss, batch {BATCH}, Adam {LR:g} (0.5, 0.999),
{STEPS} steps, f32, one thread), trained by Gantry and by the PyTorch script `tests/peers/outcome.py`, each from its own seeds. `fd` of 5000 samples against 20 000 training images
in the features of `fashion_cnn`. {platform.machine()}, Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}.

| | n | fd, mean ± sd | geometric mean | every seed |
|---|---|---|---|---|
{line('Gantry', list(ours.values()))}
{line('PyTorch', list(theirs.values()))}

Gantry over PyTorch: {100 * (math.exp(np.mean(a) - np.mean(b)) - 1):+.1f} %, 95 % interval [{100 * (math.exp(lo) - 1):+.1f} %, {100 * (math.exp(hi) - 1):+.1f} %] (Welch's t on ln fd); asked for: within ±10 %. {'Holds.' if ok else 'Does not hold.'}

The two ways of measuring agree: held-out images {floor:.4f} (Gantry) and {here:.4f} (NumPy, SciPy); samples that PyTorch draws from generators that Gantry trained:
{', '.join(f'{again[s]:.2f} (Gantry from its own latents: {v:.2f})' for s, _, v in rows[:3])}.
"""
    open(os.path.join(HERE, "OUTCOME.md"), "w").write(text)
    print(text)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
