"""peer.py EXP.json VARIANT THREADS - PyTorch's side of `make bench`, as a good PyTorch user would write it: fused Adam, nothing read back inside the
loop, the data set in memory, D's parameters frozen in G's update. VARIANT: eager, channels_last or compile (channels_last for images, both networks
through torch.compile; D stays eager where a penalty differentiates its gradient, which torch.compile cannot).
With PEER_DEVICE=cuda also: graphs (the whole step captured in one CUDA graph) and, behind any of them, "+tf32" (as "tf32" alone: eager) and "+bf16" (autocast).

Answers "steps N" with one line of JSON (seconds by the wall clock, processor seconds, peak bytes), like step_server.c. `peer.py EXP.json check TRACE`
instead runs one step from the weights, batches and noise of a `gantry trace` and compares losses and updated weights: both must compute the same thing."""
import contextlib
import json
import os
import resource
import struct
import sys
import time

THREADS = sys.argv[3] if sys.argv[2] != "check" else "1"
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = THREADS

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.utils.parametrize as parametrize
from torch.nn.utils.parametrizations import _SpectralNorm, spectral_norm

torch.set_num_threads(int(THREADS))
DEVICE = os.environ.get("PEER_DEVICE", "cpu")
HERE = os.path.dirname(os.path.abspath(__file__))


# ---- data ------------------------------------------------------------------------------------------------------------------------
def idx_images():
    import gzip
    for root in ("/usr/share/datasets/fashion-mnist", "/usr/share/datasets/fashion_mnist"):
        for name, opener in (("train-images-idx3-ubyte.gz", gzip.open), ("train-images-idx3-ubyte", open)):
            path = os.path.join(root, name)
            if os.path.exists(path):
                raw = opener(path, "rb").read()
                return torch.frombuffer(bytearray(raw[16:]), dtype=torch.uint8).reshape(-1, 1, 28, 28)
    sys.exit("no Fashion-MNIST: install Debian's package dataset-fashion-mnist")


def load_data(d):
    if d["name"] == "idx":
        return idx_images()
    if d["name"] == "image_folder":  # the synthetic images that bench.py drew
        return torch.from_numpy(np.load(os.path.join(HERE, "cases", d["path"]) + ".npy")).permute(0, 3, 1, 2).contiguous()
    g = torch.Generator().manual_seed(1)
    modes, r, n = d.get("modes", 8), d.get("radius", 2.0), d.get("count", 50000)
    if d.get("layout", "ring") == "ring":
        a = torch.arange(modes) * (2 * torch.pi / modes)
        centers = r * torch.stack([a.cos(), a.sin()], 1)
    else:
        t = torch.linspace(-r, r, round(modes ** 0.5))
        centers = torch.cartesian_prod(t, t)
    return centers[torch.randint(len(centers), (n,), generator=g)] + d.get("sigma", 0.02) * torch.randn(n, 2, generator=g)


# ---- networks --------------------------------------------------------------------------------------------------------------------
def init(m):
    if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(m.weight, 0, 0.02)
        if m.bias is not None:
            nn.init.zeros_(m.bias)


class View(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(x.shape[0], *self.shape)


class Attention(nn.Module):
    """SAGAN's self-attention on images: x + gamma out(softmax(query key') value), by the library's fused attention."""

    def __init__(self, c):
        super().__init__()
        inner = max(c // 8, 1)
        self.query, self.key, self.value = (nn.Conv2d(c, inner, 1, bias=False) for _ in range(3))
        self.out = nn.Conv2d(inner, c, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        n, _, h, w = x.shape
        q, k, v = (m(x).flatten(2).transpose(1, 2).unsqueeze(1) for m in (self.query, self.key, self.value))
        seen = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return x + self.gamma * self.out(seen.squeeze(1).transpose(1, 2).reshape(n, -1, h, w))


def attend(a, name, size, c):
    return [(f"{name}_attention", Attention(c))] if size == a.get("attention_at", 0) else []


def dcgan_g(a, size, channels):
    k, base = 0, size
    while base > 7:
        base, k = base // 2, k + 1
    w, bn = a["width"], a["norm"] == "batch"
    top = w << (k - 1)
    layers = [("project", nn.Linear(a["z"], base * base * top, bias=not bn)), ("view", View(top, base, base))]
    if bn:
        layers.append(("project_norm", nn.BatchNorm2d(top)))
    layers.append(("act0", nn.ReLU(True)))
    for j in range(1, k):
        layers.append((f"up{base << j}_conv", nn.ConvTranspose2d(top >> (j - 1), top >> j, 4, 2, 1, bias=not bn)))
        if bn:
            layers.append((f"up{base << j}_norm", nn.BatchNorm2d(top >> j)))
        layers.append((f"act{j}", nn.ReLU(True)))
        layers += attend(a, f"up{base << j}", base << j, top >> j)
    layers += [("image", nn.ConvTranspose2d(w, channels, 4, 2, 1)), ("tanh", nn.Tanh())]
    return layers


def dcgan_d(a, size, channels):
    layers, c, s, j, bn = [], channels, size, 0, a["norm"] == "batch"
    while s > 7:
        s //= 2
        here = bn and j > 0
        layers.append((f"down{s}_conv", nn.Conv2d(c, a["width"] << j, 4, 2, 1, bias=not here)))
        c = a["width"] << j
        if here:
            layers.append((f"down{s}_norm", nn.BatchNorm2d(c)))
        layers.append((f"act{j}", nn.LeakyReLU(0.2, True)))
        layers += attend(a, f"down{s}", s, c)
        j += 1
    return layers + [("view", nn.Flatten()), ("logit", nn.Linear(c * s * s, 1))]


def mlp(a, inputs, outputs):
    layers = []
    for k in range(a["depth"]):
        bn = a.get("norm", "none") == "batch"
        layers.append((f"hidden{k}_linear", nn.Linear(inputs, a["width"], bias=not bn)))
        if bn:
            layers.append((f"hidden{k}_norm", nn.BatchNorm1d(a["width"])))
        layers.append((f"act{k}", nn.LeakyReLU(0.2, True) if a.get("act", "relu") == "leaky_relu" else nn.ReLU(True)))
        inputs = a["width"]
    return layers + [("out", nn.Linear(inputs, outputs))]


class Residual(nn.Module):
    """SNGAN's networks with flat names (up16_conv_a), as the trace has them: blocks x + norm act conv norm act conv, G's resized in front of the first
    convolution, D's behind the second. Widths are constant: at 32 pixels Gantry's resnet has `width` channels in every block."""

    def __init__(self, a, size, channels, generates):
        super().__init__()
        self.blocks, self.generates, w = [], generates, a["width"]
        add = lambda name, m: self.add_module(name, m)
        sizes = [size]
        while sizes[-1] > 7 and sizes[-1] % 2 == 0:
            sizes.append(sizes[-1] // 2)
        if generates:
            add("project", nn.Linear(a["z"], sizes[-1] ** 2 * w))
            add("view", View(w, sizes[-1], sizes[-1]))
            self.blocks = [(f"up{s}", "up") for s in sizes[-2::-1]]
        else:
            self.blocks = [(f"down{s}", "down" if k else "first") for k, s in enumerate(sizes[1:3])] + [("plain0", "same"), ("plain1", "same")]
        for name, what in self.blocks:
            into = channels if what == "first" else w
            if generates:
                add(f"{name}_norm_a", nn.BatchNorm2d(into))
            add(f"{name}_conv_a", nn.Conv2d(into, w, 3, 1, 1))
            if generates:
                add(f"{name}_norm_b", nn.BatchNorm2d(w))
            add(f"{name}_conv_b", nn.Conv2d(w, w, 3, 1, 1))
            if what != "same":
                add(f"{name}_skip", nn.Conv2d(into, w, 1))
        if generates:
            add("image_norm", nn.BatchNorm2d(w))
            add("image", nn.Conv2d(w, channels, 3, 1, 1))
        else:
            add("logit", nn.Linear(w, 1))

    def block(self, name, what, x):
        part = lambda p: getattr(self, f"{name}_{p}")
        y = x if what == "first" else F.relu_(part("norm_a")(x)) if self.generates else F.relu(x)
        if what == "up":
            x, y = F.interpolate(x, scale_factor=2), F.interpolate(y, scale_factor=2)
        y = part("conv_a")(y)
        y = part("conv_b")(F.relu_(part("norm_b")(y) if self.generates else y))
        if what == "up":
            return part("skip")(x) + y
        if what == "first":
            return part("skip")(F.avg_pool2d(x, 2)) + F.avg_pool2d(y, 2)
        return F.avg_pool2d(part("skip")(x), 2) + F.avg_pool2d(y, 2) if what == "down" else x + y

    def forward(self, x):
        if self.generates:
            x = self.view(self.project(x))
        for name, what in self.blocks:
            x = self.block(name, what, x)
        if self.generates:
            return torch.tanh(self.image(F.relu_(self.image_norm(x))))
        return self.logit(F.relu_(x).sum((2, 3)))


def residual(a, size, channels, generates):
    m = Residual(a, size, channels, generates)
    m.apply(init)
    return m


def sequential(layers):
    from collections import OrderedDict
    m = nn.Sequential(OrderedDict(layers))
    m.apply(init)
    return m


class Bench:
    def __init__(self, cfg, variant):
        self.cfg = cfg
        g, d = cfg["g"]["arch"], cfg["d"]["arch"]
        self.data = load_data(cfg["data"])
        image = self.data.dim() == 4
        variant, _, precision = variant.partition("+")
        if variant in ("tf32", "bf16"):
            variant, precision = "eager", variant
        self.bf16 = precision == "bf16"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = True
        self.data = self.data.to(DEVICE)
        self.z, self.batch = g["z"], cfg["train"]["batch"]
        self.d_steps = cfg["train"].get("d_steps", 1)
        if image:
            size, channels = self.data.shape[2], self.data.shape[1]
            if g["name"] == "resnet":
                self.g, self.d = residual(g, size, channels, True), residual(d, size, channels, False)
            else:
                self.g, self.d = sequential(dcgan_g(g, size, channels)), sequential(dcgan_d(d, size, channels))
        else:
            self.g, self.d = sequential(mlp(g, g["z"], 2)), sequential(mlp(d, 2, 1))
        regs = {r["name"]: r for r in cfg.get("regularizers", {}).values()}
        self.gp = regs.get("gradient_penalty")
        self.sn = "spectral_norm" in regs
        if self.sn:
            for m in list(self.d.modules()):
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    spectral_norm(m)
        self.g, self.d = self.g.to(DEVICE), self.d.to(DEVICE)
        self.channels_last = image and variant != "eager"
        self.graph, self.captured = None, variant == "graphs"
        if self.channels_last:
            self.g, self.d = self.g.to(memory_format=torch.channels_last), self.d.to(memory_format=torch.channels_last)
        adam = lambda net, o: torch.optim.Adam(net.parameters(), o["lr"], (float(o["beta1"]), float(o["beta2"])), fused=True, capturable=self.captured)
        self.opt_g, self.opt_d = adam(self.g, cfg["g"]["optim"]), adam(self.d, cfg["d"]["optim"])
        self.run_g, self.run_d, self.run_d_twice = self.g, self.d, self.d
        if variant == "compile":
            self.run_g, self.run_d = torch.compile(self.g), torch.compile(self.d)
        self.sum_d, self.sum_g, self.order, self.at = torch.zeros((), device=DEVICE), torch.zeros((), device=DEVICE), None, 0

    def real(self):
        n = len(self.data)
        if self.captured:  # a graph draws its batch itself
            x = self.data[torch.randint(n, (self.batch,), device=DEVICE)]
            x = x.float().mul_(2 / 255).sub_(1) if x.dtype == torch.uint8 else x
            return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x
        if self.order is None or self.at + self.batch > n:
            self.order, self.at = torch.randperm(n, device=DEVICE), 0
        x = self.data[self.order[self.at:self.at + self.batch]]
        self.at += self.batch
        if x.dtype == torch.uint8:
            x = x.float().mul_(2 / 255).sub_(1)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def loss_d(self, real, fake):
        name = self.cfg["loss"]["name"]
        if name == "hinge":
            return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        if name == "wasserstein":
            return fake.mean() - real.mean()
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def loss_g(self, fake):
        return F.softplus(-fake).mean() if self.cfg["loss"]["name"] == "nonsaturating" else -fake.mean()

    def once_per_update(self):
        """Both applications of D in an update share one normalized weight, and one power iteration."""
        return parametrize.cached() if self.sn else contextlib.nullcontext()

    def d_step(self, real, z, alpha=None):
        with torch.no_grad():
            fake = self.run_g(z)
        with self.once_per_update():
            loss = self.loss_d(self.run_d(real), self.run_d(fake))
        if self.gp:
            if alpha is None:
                alpha = torch.rand(self.batch, *[1] * (real.dim() - 1), device=DEVICE)
            x = torch.lerp(real, fake, alpha).requires_grad_(True)
            dx, = torch.autograd.grad(self.run_d_twice(x).sum(), x, create_graph=True)
            loss = loss + self.gp["weight"] * (dx.flatten(1).norm(dim=1) - 1).square().mean()
        self.opt_d.zero_grad(set_to_none=True)
        loss.backward()
        self.opt_d.step()
        self.sum_d += loss.detach()

    def g_step(self, z):
        for p in self.d.parameters():
            p.requires_grad_(False)
        loss = self.loss_g(self.run_d(self.run_g(z)))
        self.opt_g.zero_grad(set_to_none=True)
        loss.backward()
        self.opt_g.step()
        for p in self.d.parameters():
            p.requires_grad_(True)
        self.sum_g += loss.detach()

    def once(self):
        with torch.autocast(DEVICE, torch.bfloat16, enabled=self.bf16):
            for _ in range(self.d_steps):
                self.d_step(self.real(), torch.randn(self.batch, self.z, device=DEVICE))
            self.g_step(torch.randn(self.batch, self.z, device=DEVICE))

    def step(self):
        if not self.captured:
            return self.once()
        if self.graph is None:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self.once()
            torch.cuda.current_stream().wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.once()
        self.graph.replay()


# ---- the same thing? -------------------------------------------------------------------------------------------------------------
def read_trace(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__")
    types = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "U32": np.uint32}
    return {k: np.frombuffer(raw[8 + n + a:8 + n + b], types[d["dtype"]]).reshape(d["shape"]) for k, d in head.items() for a, b in [d["data_offsets"]] if d["dtype"] in types}


def image(a):
    t = torch.tensor(a)
    return t.permute(0, 3, 1, 2).contiguous() if t.dim() == 4 else t


def convert(b, role, name, a):
    """A tensor of Gantry's, channels last, as PyTorch's module has it."""
    t = torch.tensor(a)
    if t.dim() == 4:
        return t.permute(0, 3, 1, 2)  # filters [out, k, k, in], of transposed ones [in, k, k, out]: both become torch's
    first = {m: v for m, v in b.g.named_children()}.get("view")
    if role == "g" and name.startswith("project/") and first is not None:  # rows are h w c here, c h w there
        c, h, w = first.shape
        return t.reshape(h, w, c, *t.shape[1:]).movedim(2, 0).reshape(t.shape)
    if role == "d" and name == "logit/weight" and not isinstance(b.d, Residual):
        last = [m for m in b.d if isinstance(m, nn.Conv2d)][-1].out_channels
        s = int((t.shape[1] / last) ** 0.5)
        return t.reshape(1, s, s, last).permute(0, 3, 1, 2).reshape(1, -1)
    return t


def module_of(net, parts):
    """The module of a name's parts; those of self-attention lie one deeper."""
    at = parts.index("attention") + 1 if "attention" in parts else len(parts)
    module = dict(net.named_children())["_".join(parts[:at])]
    return getattr(module, parts[at]) if at < len(parts) else module


def slot(b, role, name):
    parts = name.split("/")
    module = module_of(b.g if role == "g" else b.d, parts[:-1])
    if parts[-1] == "gamma":
        return module.gamma
    kind = {"weight": "weight", "bias": "bias", "gain": "weight", "offset": "bias", "running_mean": "running_mean", "running_var": "running_var"}[parts[-1]]
    return module.parametrizations[kind].original if b.sn and role == "d" and kind == "weight" and hasattr(module, "parametrizations") else getattr(module, kind)


def v_first(self, w, n):
    """torch's power iteration begins with u, Gantry's with v: of equal cost, but other numbers after one round. The check uses Gantry's order."""
    for _ in range(n):
        self._v.copy_(F.normalize(torch.mv(w.t(), self._u), dim=0, eps=self.eps))
        self._u.copy_(F.normalize(torch.mv(w, self._v), dim=0, eps=self.eps))


def check(b, trace):
    _SpectralNorm._power_method = torch.no_grad()(v_first)
    t = read_trace(trace)
    with torch.no_grad():
        for k, a in t.items():
            p = k.split("/")
            if k.startswith("init/g/") or k.startswith("init/d/"):
                slot(b, p[1], "/".join(p[2:])).copy_(convert(b, p[1], "/".join(p[2:]), a))
            if b.sn and k.startswith("init/regularizers/") and p[-1] == "u":
                module = module_of(b.d, p[p.index("d") + 1:-2])
                module.parametrizations.weight[0]._u.copy_(torch.tensor(a).reshape(-1))
    programs = sorted({k.split("/")[0] for k in t if k[0].isdigit()})
    worst = 0.0
    for p in programs:
        out = lambda n: t[f"{p}/out/{n}"]
        z = torch.tensor(out("draw/main/g/z"))
        role = "d" if p.endswith("d_step") else "g"
        before = (b.sum_d if role == "d" else b.sum_g).item()
        if role == "d":
            alpha = next((t[k] for k in t if k.startswith(f"{p}/out/draw/regularizers/gp/")), None)
            if alpha is not None:  # uniform in [0, 1) from the upper 24 bits, as sdk/include/gantry/nn/random.h has it
                alpha = torch.tensor(((alpha >> 8).astype(np.float32)) * 2.0 ** -24)
                alpha = alpha.permute(0, 3, 1, 2) if alpha.dim() == 4 else alpha
            b.d_step(image(out("real")), z, alpha)
        else:
            b.g_step(z)
        loss = (b.sum_d if role == "d" else b.sum_g).item() - before
        ours = float(out(f"loss_{role}")) + sum(float(t[k]) for k in t if k.startswith(f"{p}/out/term/"))
        worst = max(worst, abs(loss - ours) / max(abs(ours), 1e-3))
        top = max(float(np.linalg.norm(t[k])) for k in t if k.startswith(f"{p}/out/grad/"))
        for k in t:
            if k.startswith(f"{p}/out/grad/"):
                full = k[len(f"{p}/out/grad/"):]
                r, name = full.split("/", 1)
                mine, theirs = slot(b, r, name).grad, convert(b, r, name, t[k])
                size = max(theirs.norm().item(), 1e-4, 1e-3 * top)  # in the norm: one activation at a ReLU's kink may go either way; a bias before batch norm has none
                worst = max(worst, (mine - theirs).norm().item() / size)
    print(json.dumps({"programs": len(programs), "worst": worst}))
    return 0 if worst < 5e-3 else 1


def main():
    cfg = json.load(open(sys.argv[1]))["base"]
    torch.manual_seed(1)
    if sys.argv[2] == "check":
        b = Bench(cfg, "eager")
        sys.exit(check(b, sys.argv[3]))
    b = Bench(cfg, sys.argv[2])
    for line in sys.stdin:
        if not line.startswith("steps "):
            break
        n, wall, cpu = int(line.split()[1]), time.perf_counter(), time.process_time()
        for _ in range(n):
            b.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak": peak}), flush=True)


main()
