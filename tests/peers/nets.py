"""Gantry's networks, losses, regularizers and optimizers once more in PyTorch, in float64, from named states.

Layouts: Gantry keeps images N H W C and filters O kh kw I; here they are permuted at the edge. Nothing is shared with Gantry's sources."""
import math
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def leaky(x, slope):
    return torch.where(x > 0, x, slope * x)


def act(x, name, slope):
    return {"relu": F.relu, "leaky_relu": lambda v: leaky(v, slope), "tanh": torch.tanh, "sigmoid": torch.sigmoid, "swish": F.silu, "none": lambda v: v}[name](x)


class Net:
    """One network: `s` maps full state names to tensors; updates to buffers are collected in `new`."""

    def __init__(self, role, cfg, states, regs, params, train=True):
        self.role, self.arch, self.s, self.regs, self.params, self.train = role, cfg[role]["arch"], states, regs, params, train
        self.new, self.cache, self.biased = {}, {}, []

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
        y = x @ self.weight(f"{name}/weight", 0).T
        return self.add_bias(name, y) if bias else y

    def conv(self, name, x, stride, pad, bias):
        w = self.weight(f"{name}/weight", 0).permute(0, 3, 1, 2)
        y = F.conv2d(x.permute(0, 3, 1, 2), w, stride=stride, padding=pad).permute(0, 2, 3, 1)
        return self.add_bias(name, y) if bias else y

    def conv_transposed(self, name, x, bias):
        w = self.weight(f"{name}/weight", 3).permute(0, 3, 1, 2)
        y = F.conv_transpose2d(x.permute(0, 3, 1, 2), w, stride=2, padding=1).permute(0, 2, 3, 1)
        return self.add_bias(name, y) if bias else y

    def norm(self, name, x, kind):
        if kind == "none":
            return x
        if kind == "pixel":
            return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-8)
        gain, offset = self.vector(f"{name}/gain"), self.vector(f"{name}/offset")
        if kind == "batch":
            full = f"{self.role}/{name}"
            rm, rv = self.get(f"{full}/running_mean").clone(), self.get(f"{full}/running_var").clone()
            flat = x.reshape(-1, x.shape[-1])
            y = F.batch_norm(flat, rm, rv, gain, offset, True, 0.1, 1e-5).reshape(x.shape)
            self.new[f"{full}/running_mean"], self.new[f"{full}/running_var"] = rm, rv
            return y
        axes = tuple(range(1, x.dim() - 1)) if kind == "instance" else tuple(range(1, x.dim()))
        y = (x - x.mean(axes, keepdim=True)) / torch.sqrt(x.var(axes, unbiased=False, keepdim=True) + 1e-5)
        return y * gain + offset

    def __call__(self, x, shape=None):
        return (self.mlp if self.arch["name"] == "mlp" else self.dcgan)(x, shape)

    def mlp(self, x, shape):
        a = self.arch
        x = x.reshape(x.shape[0], -1)
        for k in range(int(a["depth"])):
            x = self.linear(f"hidden{k}/linear", x, a["norm"] == "none")
            x = act(self.norm(f"hidden{k}/norm", x, a["norm"]), a["act"], a["slope"])
        x = self.linear("out", x, True)
        if self.role == "d":
            return x[:, 0]
        out = a["out_act"]
        if out == "tanh" or (out == "auto" and len(shape) == 4):
            x = torch.tanh(x)
        if out == "sigmoid":
            x = torch.sigmoid(x)
        return x.reshape(x.shape[0], *shape[1:])

    def dcgan(self, x, shape):
        a, n = self.arch, x.shape[0]
        size = shape[1] if self.role == "g" else x.shape[1]
        k, base = 0, size
        while base > 7:
            base, k = base // 2, k + 1
        norm, slope = a["norm"], a["slope"]
        bias = norm == "none"
        name = a["act"] if a["act"] != "auto" else ("relu" if self.role == "g" else "leaky_relu")
        if self.role == "g":
            x = self.linear("project", x, bias).reshape(n, base, base, -1)
            x = act(self.norm("project_norm", x, norm), name, slope)
            for j in range(1, k):
                x = self.up(f"up{base << j}/conv", x, bias)
                x = act(self.norm(f"up{base << j}/norm", x, norm), name, slope)
            x = self.up("image", x, True)
            return {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "none": lambda v: v}[a["out_act"]](x)
        for j in range(k):
            here = norm if j else "none"
            where = f"down{size >> (j + 1)}"
            x = self.down(f"{where}/conv", x, here == "none")
            x = act(self.norm(f"{where}/norm", x, here), name, slope)
        return self.linear("logit", x.reshape(n, -1), True)[:, 0]

    def up(self, name, x, bias):
        if self.arch["up"] == "nearest":
            x = x.repeat_interleave(2, 1).repeat_interleave(2, 2)
            return self.conv(name, x, 1, 1, bias)
        return self.conv_transposed(name, x, bias)

    def down(self, name, x, bias):
        if self.arch["down"] == "pool":
            return F.avg_pool2d(self.conv(name, x, 1, 1, bias).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        return self.conv(name, x, 2, 1, bias)


def of(r):
    v = r.get("of", "d")
    return ("g", "d") if v == "both" else tuple(v) if isinstance(v, list) else (v,)


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
        return F.softplus(fake - real).mean()
    raise SystemExit(f"no peer for loss {name}")


def g_loss(cfg, fake, real):
    name = cfg["loss"]["name"]
    if name == "nonsaturating":
        return F.softplus(-fake).mean()
    if name == "minimax":
        return -F.softplus(fake).mean()
    if name == "relativistic":
        return F.softplus(real - fake).mean()
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
