"""Gantry's networks, losses, regularizers and optimizers once more in PyTorch, in float64, from named states.

Layouts: Gantry keeps images N H W C and filters O kh kw I; here they are permuted at the edge. Nothing is shared with Gantry's sources."""
import math
import torch
import torch.nn.functional as F

import half
import stylegan2

torch.set_default_dtype(torch.float64)


def leaky(x, slope):
    return torch.where(x > 0, x, slope * x)


def act(x, name, slope):
    return {"relu": F.relu, "leaky_relu": lambda v: leaky(v, slope), "tanh": torch.tanh, "sigmoid": torch.sigmoid, "swish": F.silu, "none": lambda v: v}[name](x)


class Net:
    """One network: `s` maps full state names to tensors; updates to buffers are collected in `new`."""

    def __init__(self, role, cfg, states, regs, params, label=None, reference=None):
        """label: classes [n] of whatever this network is applied to; reference: what norm virtual goes by, {"image", "label"}."""
        self.role, self.arch, self.s, self.regs, self.params, self.label, self.reference = role, cfg[role]["arch"], states, regs, params, label, reference or {}
        self.new, self.cache, self.biased = {}, {}, []
        self.pack = int(cfg["d"].get("pack", 1)) if role == "d" else 1
        self.classes = None
        self.draws, self.applied, self.w = None, 0, None  # stylegan2's: draws of a place in the trace, applications so far, the last one's tap "w"
        self.bf16 = cfg["train"].get("precision") == "bf16"

    def get(self, name):
        if name in self.params:
            return self.params[name]
        return self.new.get(name, self.s[name])

    def weight(self, name, out_axis):
        """The weight after spectral norm, once per update."""
        full = f"{self.role}/{name}"
        if full in self.cache:
            return self.cache[full]
        w = self.get(full)
        for rid, r in sorted(self.regs.items()):
            if r["name"] != "spectral_norm" or self.role not in of(r):
                continue
            m = w.movedim(out_axis, 0).reshape(w.shape[out_axis], -1)
            base = f"regularizers/{rid}/{full}"
            u, v = self.get(f"{base}/u"), self.get(f"{base}/v")
            fixed, eps = m.detach(), r.get("eps", 1e-12)
            for _ in range(int(r.get("power_steps", 1))):
                v = fixed.T @ u
                v = v / max(v.norm().item(), eps)
                u = fixed @ v
                u = u / max(u.norm().item(), eps)
            self.new[f"{base}/u"], self.new[f"{base}/v"] = u, v
            w = w / (u * (m @ v)).sum()
        self.cache[full] = w
        return w

    def vector(self, name):
        return self.get(f"{self.role}/{name}")

    def add_bias(self, name, y):
        """Remembers the sum: its gradient is what the bias's own gradient is added up from."""
        y = y + self.vector(f"{name}/bias")
        self.biased.append((f"{self.role}/{name}/bias", y))
        return y

    def linear(self, name, x, bias):
        w = self.weight(f"{name}/weight", 0).T
        y = half.product(x, w) if self.bf16 else x @ w
        return self.add_bias(name, y) if bias else y

    def conv(self, name, x, stride, pad, bias):
        w = self.weight(f"{name}/weight", 0).permute(0, 3, 1, 2)
        x = x.permute(0, 3, 1, 2)
        y = (half.conv(x, w, stride, pad) if self.bf16 else F.conv2d(x, w, stride=stride, padding=pad)).permute(0, 2, 3, 1)
        return self.add_bias(name, y) if bias else y

    def conv_transposed(self, name, x, bias):
        w = self.weight(f"{name}/weight", 3).permute(0, 3, 1, 2)
        x = x.permute(0, 3, 1, 2)
        y = (half.conv_transposed(x, w) if self.bf16 else F.conv_transpose2d(x, w, stride=2, padding=1)).permute(0, 2, 3, 1)
        return self.add_bias(name, y) if bias else y

    def norm(self, name, x, kind):
        if kind == "none":
            return x
        if kind == "pixel":
            return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-8)
        gain, offset = self.vector(f"{name}/gain"), self.vector(f"{name}/offset")
        if self.arch["condition"] == "norm":
            spread = (-1,) + (1,) * (x.dim() - 2) + (x.shape[-1],)
            gain, offset = gain[self.rows].reshape(spread), offset[self.rows].reshape(spread)
        if kind == "virtual":
            return self.virtual(x) * gain + offset
        if kind == "batch":
            full = f"{self.role}/{name}"
            rm, rv = self.get(f"{full}/running_mean").clone(), self.get(f"{full}/running_var").clone()
            flat = x.reshape(-1, x.shape[-1])
            y = F.batch_norm(flat, rm, rv, None, None, True, 0.1, 1e-5).reshape(x.shape) * gain + offset
            self.new[f"{full}/running_mean"], self.new[f"{full}/running_var"] = rm, rv
            return y
        axes = tuple(range(1, x.dim() - 1)) if kind == "instance" else tuple(range(1, x.dim()))
        y = (x - x.mean(axes, keepdim=True)) / torch.sqrt(x.var(axes, unbiased=False, keepdim=True) + 1e-5)
        return y * gain + offset

    def virtual(self, x):
        """Each sample by the statistics of reference batch and itself, written as one set: the other way round from Gantry's."""
        m, space = int(self.arch["reference"]), tuple(range(1, x.dim() - 1))
        ref = x[-m:]
        out = []
        for row in list(x[:-m]) + [None]:
            group = ref if row is None else torch.cat([ref, row[None]])
            mean, var = group.mean((0,) + space), group.var((0,) + space, unbiased=False)
            out.append(((ref if row is None else row[None]) - mean) / torch.sqrt(var + 1e-5))
        return torch.cat(out)

    def act(self, x):
        name = self.arch["act"]
        return act(x, name if name != "auto" else "relu" if self.role == "g" else "leaky_relu", self.arch["slope"])

    def join(self, name, x, first):
        a = self.arch
        if a["condition"] != "everywhere" and not (first and a["condition"] == "concat"):
            return x
        v = self.weight(f"{name}/weight", 0)[self.rows] if a["embed"] else F.one_hot(self.rows, self.n_classes).to(x.dtype)
        return torch.cat([x, v.reshape(v.shape[0], *(1,) * (x.dim() - 2), v.shape[1]).expand(*x.shape[:-1], v.shape[1])], -1)

    def attention(self, name, x):
        if x.shape[1] != int(self.arch["attention_at"]):
            return x
        n, h, w, c = x.shape
        flat = lambda part: self.conv(f"{name}/{part}", x, 1, 0, False).reshape(n, h * w, -1)
        seen = torch.softmax(flat("query") @ flat("key").transpose(1, 2), -1) @ flat("value")
        return x + self.vector(f"{name}/gamma") * self.conv(f"{name}/out", seen.reshape(n, h, w, -1), 1, 0, False)

    def minibatch_std(self, x):
        g = min(int(self.arch["minibatch_std"]), x.shape[0])
        if not g:
            return x
        groups = x.shape[0] // g
        y = torch.stack([torch.sqrt(x[i::groups].var(0, unbiased=False) + 1e-8).mean() for i in range(groups)])
        y = y[torch.arange(x.shape[0]) % groups].reshape(-1, *(1,) * (x.dim() - 1))
        return torch.cat([x, y.expand(*x.shape[:-1], 1)], -1)

    def head(self, name, x, label):
        a, k = self.arch, int(self.arch["minibatch_kernels"])
        if a["condition"] == "auxiliary":
            self.classes = self.linear("class", x, True)
        seen = x
        if k:
            m = self.linear("minibatch", x, False).reshape(x.shape[0], k, -1)
            near = torch.exp(-(m[:, None] - m[None]).abs().sum(-1))
            seen = torch.cat([x, near.sum(1) - near[range(x.shape[0]), range(x.shape[0])]], 1)
        logit = self.linear(name, seen, True)[:, 0]
        if a["condition"] == "projection":
            logit = logit + (x * self.weight("projection/weight", 0)[label]).sum(1)
        return logit

    def out_act(self, x, images):
        out = self.arch["out_act"]
        return torch.tanh(x) if out == "tanh" or (out == "auto" and images) else torch.sigmoid(x) if out == "sigmoid" else x

    def __call__(self, x, shape=None, label=None):
        """D's logits or G's images. shape: of the data's batch, for G."""
        m = self.pack
        if m > 1:
            x = x.reshape(x.shape[0] // m, m, *x.shape[1:]).movedim(1, -2).flatten(-2)
        label = self.label if label is None else label
        if label is not None and len(label) != x.shape[0]:
            label = label.repeat(max(1, x.shape[0] // len(label)))[:x.shape[0]]
        self.rows, self.cut = label, None
        if any(r["name"] == "spectral_norm" and r.get("per") == "application" for r in self.regs.values()):
            self.cache = {}
        if self.arch["norm"] == "virtual":
            more = self.get("g/reference_z") if self.role == "g" else self.reference["image"]
            self.cut = x.shape[0]
            x = torch.cat([x, more.to(x.dtype)])
            if self.arch["condition"] != "none":
                self.rows = torch.cat([label, self.reference["label"]])
        if self.arch["name"] == "stylegan2":
            return stylegan2.generator(self, x, shape, label) if self.role == "g" else stylegan2.discriminator(self, x, label)
        return {"mlp": self.mlp, "dcgan": self.dcgan, "resnet": self.resnet}[self.arch["name"]](x, shape, label)

    def mlp(self, x, shape, label):
        a = self.arch
        x = x.reshape(x.shape[0], -1)
        for k in range(int(a["depth"])):
            x = self.linear(f"hidden{k}/linear", self.join(f"hidden{k}/label", x, k == 0), a["norm"] == "none")
            x = self.act(self.norm(f"hidden{k}/norm", x, a["norm"]))
        x = x[:self.cut]
        if self.role == "d":
            return self.head("out", self.minibatch_std(x), label)
        return self.out_act(self.linear("out", x, True), len(shape) == 4).reshape(x.shape[0], *shape[1:])

    def block(self, where, x, out, what):
        """resnet's: what is up, down, first or same."""
        a, inner = self.arch, x.shape[-1]
        pool = lambda v: self.half(v) if a["down"] == "fir" else F.avg_pool2d(v.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        double = lambda v: self.twice(v) if a["up"] == "fir" else v.repeat_interleave(2, 1).repeat_interleave(2, 2)
        skip = y = x
        if what != "first":
            y = self.act(self.norm(f"{where}/norm_a", y, a["norm"]))
        if what == "up":
            y, skip = double(y), double(skip)
        y = self.conv(f"{where}/conv_a", self.join(f"{where}/label", y, False), 1, 1, True)
        y = self.conv(f"{where}/conv_b", self.act(self.norm(f"{where}/norm_b", y, a["norm"])), 1, 1, True)
        if what in ("down", "first"):
            y = pool(y)
        if what == "first":
            skip = pool(skip)
        if what != "same" or inner != out:
            skip = self.conv(f"{where}/skip", skip, 1, 0, True)
        if what == "down":
            skip = pool(skip)
        return self.attention(f"{where}/attention", y + skip) if what != "same" else y + skip

    def resnet(self, x, shape, label):
        a, n = self.arch, x.shape[0]
        size = shape[1] if self.role == "g" else x.shape[1]
        k, base = 0, size
        while base > 7:
            base, k = base // 2, k + 1
        double = a["growth"] == "double" or (a["growth"] == "auto" and size > 32)
        width = lambda level: int(a["width"]) << (level - 1) if double else int(a["width"])
        if self.role == "g":
            x = self.linear("project", self.join("label", x, True), True).reshape(n, base, base, -1)
            for j in range(1, k + 1):
                x = self.block(f"up{base << j}", x, width(k - j + 1), "up")
            x = self.conv("image", self.act(self.norm("image_norm", x, a["norm"])), 1, 1, True)
            return self.out_act(x, True)[:self.cut]
        plain = int(a["plain"])
        x = self.join("label", x, True)
        for j in range(2 if plain and size <= 32 and k > 2 else k):
            x = self.block(f"down{size >> (j + 1)}", x, width(j + 1), "down" if j else "first")
        for j in range(plain):
            x = self.block(f"plain{j}", x, x.shape[-1], "same")
        x = self.minibatch_std(self.act(x)[:self.cut])
        return self.head("logit", x.mean((1, 2)) if a["pool"] == "mean" else x.sum((1, 2)), label)

    def dcgan(self, x, shape, label):
        a, n = self.arch, x.shape[0]
        size = shape[1] if self.role == "g" else x.shape[1]
        k, base = 0, size
        while base > 7:
            base, k = base // 2, k + 1
        norm, dense = a["norm"], int(a["dense"])
        bias = norm == "none"
        if self.role == "g":
            x = self.join("label", x, True)
            if dense:
                x = self.act(self.norm("dense_norm", self.linear("dense", x, bias), norm))
            x = self.linear("project", x, bias).reshape(n, base, base, -1)
            x = self.attention("attention", self.act(self.norm("project_norm", x, norm)))
            for j in range(1, k):
                where = f"up{base << j}"
                x = self.up(f"{where}/conv", self.join(f"{where}/label", x, False), bias)
                x = self.attention(f"{where}/attention", self.act(self.norm(f"{where}/norm", x, norm)))
            x = self.up("image", self.join("image_label", x, False), True)
            return self.out_act(self.norm("image_norm", x, norm) if a["norm_edges"] else x, True)[:self.cut]
        for j in range(k):
            here = norm if j or a["norm_edges"] else "none"
            where = f"down{size >> (j + 1)}"
            x = self.down(f"{where}/conv", self.join(f"{where}/label", x, j == 0), here == "none")
            x = self.attention(f"{where}/attention", self.act(self.norm(f"{where}/norm", x, here)))
        if dense:
            x = self.act(self.norm("dense_norm", self.linear("dense", x.reshape(n, -1), bias), norm))
        x = self.minibatch_std(x[:self.cut])
        return self.head("logit", x.reshape(x.shape[0], -1), label)

    FIR = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8

    def twice(self, x):
        """Zeros between the pixels, the filter on both axes with gain 4."""
        n, h, w, c = x.shape
        y = x.new_zeros(n, c, 2 * h, 2 * w)
        y[:, :, ::2, ::2] = x.permute(0, 3, 1, 2)
        k = torch.outer(self.FIR, self.FIR).to(x.dtype).expand(c, 1, 4, 4) * 4
        return F.conv2d(F.pad(y, (2, 1, 2, 1)), k, groups=c).permute(0, 2, 3, 1)

    def half(self, x):
        k = torch.outer(self.FIR, self.FIR).to(x.dtype).expand(x.shape[-1], 1, 4, 4)
        return F.conv2d(x.permute(0, 3, 1, 2), k, stride=2, padding=1, groups=x.shape[-1]).permute(0, 2, 3, 1)

    def up(self, name, x, bias):
        if self.arch["up"] == "nearest":
            x = x.repeat_interleave(2, 1).repeat_interleave(2, 2)
            return self.conv(name, x, 1, 1, bias)
        if self.arch["up"] == "fir":
            return self.conv(name, self.twice(x), 1, 1, bias)
        return self.conv_transposed(name, x, bias)

    def down(self, name, x, bias):
        if self.arch["down"] == "pool":
            return F.avg_pool2d(self.conv(name, x, 1, 1, bias).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        if self.arch["down"] == "fir":
            return self.half(self.conv(name, x, 1, 1, bias))
        return self.conv(name, x, 2, 1, bias)


def of(r):
    v = r.get("of", "d")
    return ("g", "d") if v == "both" else tuple(v) if isinstance(v, list) else (v,)


def relativistic(cfg, better, worse):
    if cfg["loss"].get("against") == "average":
        return F.softplus(worse.mean() - better).mean() + F.softplus(worse - better.mean()).mean()
    return F.softplus(worse - better).mean()


def d_loss(cfg, real, fake, targets):
    name = cfg["loss"]["name"]
    tr, tf = targets
    if name in ("nonsaturating", "minimax"):
        return (F.softplus(real) - tr * real).mean() + (F.softplus(fake) - tf * fake).mean()
    if name == "lsgan":
        return 0.5 * ((real - tr) ** 2).mean() + 0.5 * ((fake - tf) ** 2).mean()
    if name == "wasserstein":
        return fake.mean() - real.mean()
    if name == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if name == "relativistic":
        return relativistic(cfg, real, fake)
    raise SystemExit(f"no peer for loss {name}")


def g_loss(cfg, fake, real):
    name = cfg["loss"]["name"]
    if name == "nonsaturating":
        return F.softplus(-fake).mean()
    if name == "minimax":
        return -F.softplus(fake).mean()
    if name == "relativistic":
        return relativistic(cfg, fake, real)
    if name == "lsgan":
        return 0.5 * ((fake - cfg["loss"].get("g_target", 1)) ** 2).mean()
    return -fake.mean()


def update(o, states, name, w, g, count, lr, lazy):
    """New weight and slots of one tensor."""
    slot = lambda k: states[f"optim/{name}/{k}"]
    new = {}
    lr = lr * lazy
    if o["name"] == "adam":
        b1, b2 = o["beta1"] ** lazy, o["beta2"] ** lazy
        m, v = b1 * slot("m") + (1 - b1) * g, b2 * slot("v") + (1 - b2) * g * g
        new["m"], new["v"] = m, v
        if o["weight_decay"]:
            w = w - lr * o["weight_decay"] * w
        w = w - lr / (1 - b1 ** count) * m / (torch.sqrt(v) / math.sqrt(1 - b2 ** count) + o["eps"])
    elif o["name"] == "rmsprop":
        a = o["decay"] ** lazy
        v = a * slot("v") + (1 - a) * g * g
        new["v"] = v
        step = g / (torch.sqrt(v) + o["eps"])
        if o["momentum"]:
            step = o["momentum"] ** lazy * slot("buffer") + step
            new["buffer"] = step
        w = w - lr * step
    elif o["name"] == "sgd":
        step = g
        if o["momentum"]:
            m = o["momentum"] ** lazy
            b = m * slot("buffer") + g
            new["buffer"] = b
            step = g + m * b if o["nesterov"] else b
        w = w - lr * step
    else:
        raise SystemExit(f"no peer for optimizer {o['name']}")
    return w, {f"optim/{name}/{k}": v for k, v in new.items()}
