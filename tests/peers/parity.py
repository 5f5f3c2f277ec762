"""parity.py TRACE... - recomputes a `gantry trace` in PyTorch, program by program, each from Gantry's own previous state, and compares every
loss, term, gradient and updated state. Relative error of a tensor: largest difference over largest magnitude. Exit 1 above --tol.

A gradient that cancels has fewer digits than f32 and is measured by what it was summed from. These rules, and all are counted and printed:
- The gradient of a bias is a sum over all samples and pixels. Its condition is the sum of the absolute contributions over the sum's own
  magnitude. Above CONDITION the error is divided by the absolute contributions / CONDITION instead of by the sum.
- The same for a loss that is a mean of logits of both signs (Wasserstein, hinge's G).
- A gradient below a thousandth of its network's largest one (a bias before batch norm, which is zero in exact numbers) is measured by that thousandth.
For every tensor that needed a rule, --f32 prints the error that PyTorch's own f32 has at the same place of the same trace: ours is of that size.

Under train.precision "bf16" the peer rounds what Gantry rounds (half.py), and the error is the root mean square's: where the two sums differ in f32's last digits a few numbers fall on
different sides of a rounding and are then a whole unit of bf16 apart, which tells nothing, while every number is if the rounding is another. The tolerance is HALF, and the peer without
rounding must miss it.

--golden FILE also writes one line per compared tensor: name, norm, largest magnitude, and what a cancelled one is measured by, which a build without
PyTorch checks (tests/unit/train/test_golden.c)."""
import argparse
import json
import math
import struct
import sys

import numpy as np
import torch

import augment
import nets

DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U32": np.uint32, "U8": np.uint8, "BOOL": np.bool_}


def read(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    meta = head.pop("__metadata__")
    out = {}
    for name, d in head.items():
        a, b = d["data_offsets"]
        out[name] = np.frombuffer(raw[8 + n + a:8 + n + b], DTYPES[d["dtype"]]).reshape(d["shape"])
    return meta, out


CONDITION = 10.0
HALF = 2e-3


def tensor(a):
    """In the replay's precision: f64 to judge, f32 to learn what f32 can hold."""
    return torch.tensor(np.asarray(a, dtype=np.float64), dtype=torch.get_default_dtype())


class Replay:
    def __init__(self, path, tol, rounds=True):
        meta, t = read(path)
        self.cfg, self.t, self.tol = json.loads(meta["config"]), t, tol
        self.half = self.cfg["train"].get("precision") == "bf16"
        if self.half and not rounds:
            self.cfg["train"]["precision"] = "f32"
        if self.half and tol < HALF:
            self.tol = HALF
        self.s = {k[5:]: tensor(v) for k, v in t.items() if k.startswith("init/")}
        self.regs = {k: r for k, r in self.cfg.get("regularizers", {}).items() if r.get("on", True)}
        self.bad, self.worst, self.compared, self.golden, self.cancelled, self.values = [], 0.0, 0, [], [], {}
        self.programs = sorted({k.split("/")[0] for k in t if k[0].isdigit()})
        tr = self.cfg["train"]
        self.starts, self.next = {}, {}  # of draws in front of D
        self.least = {}  # what sums of gradients are measured by
        self.parts = int(tr.get("accumulate", 1))
        self.per_step = tr["batch"] * tr["d_steps"]

    def same(self, name, ours, theirs, least=0.0):
        ours, theirs = tensor(ours), theirs.detach()
        scale = max(theirs.abs().max().item(), 1e-12)
        self.values[name] = theirs
        if scale < least:
            self.cancelled.append((name, (ours - theirs).abs().max().item(), scale, least))
        d = (ours - theirs).abs().max().item() / max(scale, least) if ours.shape == theirs.shape else math.inf
        if self.half and ours.shape == theirs.shape:
            d = (ours - theirs).norm().item() / max(theirs.norm().item(), least, 1e-12)
        self.compared += 1
        self.worst = max(self.worst, d)
        self.golden.append((name, theirs.norm().item(), theirs.abs().max().item(), least if scale < least else 0.0))
        if not d <= self.tol:
            self.bad.append((d, name))

    def out(self, p, name):
        return self.t[f"{p}/out/{name}"]

    def draw_z(self, p):
        return tensor(self.out(p, "draw/main/g/z"))

    def schedule(self, leaf, step):
        f = 1.0
        for s in self.cfg.get("schedules", {}).values():
            if not s.get("on", True) or leaf not in s["of"]:
                continue
            total = self.cfg["train"]["length"]["steps"]
            start = s["start"]["steps"] if isinstance(s.get("start"), dict) else 0
            end = s["end"]["steps"] if isinstance(s.get("end"), dict) else total
            p = min(1.0, max(0.0, (step - start) / max(end - start, 1)))
            to = s.get("to", 0)
            every = s["every"]["steps"] if isinstance(s.get("every"), dict) else 1
            f *= {"step": s.get("factor", 1.0) ** max(0, (step - start) // every), "constant": 1.0, "linear": 1 + (to - 1) * p, "cosine": to + (1 - to) * (1 + math.cos(math.pi * p)) / 2, "exponential": to ** p if to > 0 else 1.0}[s["shape"]]
            if isinstance(s.get("warmup"), dict):
                f *= min(1.0, (step + 1) / s["warmup"]["steps"])
        return f

    def param(self, rid, key, step):
        return self.regs[rid][key] * self.schedule(f"regularizers.{rid}.{key}", step)

    def network(self, p, role, grad):
        """A network as program p applies it, with the labels and the reference batch that the trace gives."""
        ps = {k: v.clone().requires_grad_(grad) for k, v in self.s.items() if k.startswith(f"{role}/") and not self.buffer(k)}
        whole = lambda name: self.t[f"{p}/out/{name}"] if f"{p}/out/{name}" in self.t else None
        index = lambda v: None if v is None else torch.tensor(v.astype(np.int64))
        image = whole(f"draw/reference/{role}/image")
        reference = {"image": None if image is None else tensor(image), "label": index(whole(f"draw/reference/{role}/label"))}
        net = nets.Net(role, self.cfg, self.s, self.regs, ps, index(whole("labels")), reference)
        net.n_classes = self.n_classes()
        net.draws = lambda place: augment.Draws(self.t, p, place, 0, "")
        return net, ps

    def n_classes(self):
        """From the tables of embeddings or gains; the largest label tells for one-hot vectors, whose width a weight's shape tells too."""
        return {"gaussians": int(self.cfg["data"].get("modes", 0))}.get(self.cfg["data"]["name"], 10)

    def term_name(self, rid, role):
        return f"{rid}_{role}" if len(nets.of(self.regs[rid])) == 2 else rid

    @staticmethod
    def buffer(name):
        return "running_" in name or name.endswith(("/reference_z", "/w_avg"))

    def term(self, p, rid, step, real, fake, d):
        """Value of a penalty on D; d.new is left as it was."""
        r, kept = self.regs[rid], dict(d.new)
        if r["name"] == "gradient_penalty":
            bits = self.out(p, f"draw/regularizers/{rid}/0").astype(np.float64)
            alpha = tensor(np.floor(bits / 256) / 16777216.0)
            x = (real + alpha * (fake - real)).detach().requires_grad_(True)
            g, = torch.autograd.grad(d(x).sum(), x, create_graph=True)
            norm = g.reshape(g.shape[0], -1).norm(dim=1)
            e = norm - r["target"]
            if r["one_sided"]:
                e = torch.relu(e)
            v = self.param(rid, "weight", step) * (e ** 2).mean()
        elif r["name"] == "auxiliary_classifier":
            ce = lambda x: (d(x), torch.nn.functional.cross_entropy(d.classes, d.label))[1]
            v = self.param(rid, "real", step) * ce(real) + self.param(rid, "fake", step) * ce(fake)
        elif r["name"] == "r1":
            x = real.detach().requires_grad_(True)
            view = self.seen(p, step, x, "real") if r.get("passes") != "none" else x
            seen = self.both(d, view, self.seen(p, step, fake, "fake"))[0] if self.cfg["d"].get("batches") == "joint" and fake is not None else d(view)
            g, = torch.autograd.grad(seen.sum(), x, create_graph=True)
            v = self.param(rid, "gamma", step) / 2 * (g.reshape(g.shape[0], -1) ** 2).sum(1).mean()
        elif r["name"] == "r2":
            x = fake.detach().requires_grad_(True)
            g, = torch.autograd.grad(d(self.seen(p, step, x, "fake") if r.get("passes") != "none" else x).sum(), x, create_graph=True)
            v = self.param(rid, "gamma", step) / 2 * (g.reshape(g.shape[0], -1) ** 2).sum(1).mean()
        elif r["name"] == "consistency":
            draws, v = augment.Draws(self.t, p, rid, 0), 0
            for side, x in (("real", real), ("fake", fake)):
                x = self.seen(p, step, x, side)
                v = v + self.param(rid, side, step) * ((d(x) - d(augment.transformed(r, x, draws))) ** 2).mean()
        elif r["name"] == "dragan":
            uniform = lambda k: tensor(np.floor(self.out(p, f"draw/regularizers/{rid}/{k}").astype(np.float64) / 256) / 16777216.0)
            x = (real + uniform(1) * r["scale"] * real.std(unbiased=False) * uniform(0)).detach().requires_grad_(True)
            g, = torch.autograd.grad(d(x).sum(), x, create_graph=True)
            e = g.reshape(g.shape[0], -1).norm(dim=1) - r["target"]
            v = self.param(rid, "weight", step) * ((torch.relu(e) if r["one_sided"] else e) ** 2).mean()
        else:
            return None
        d.new = kept
        return v

    def path_length(self, p, rid, step, g, expect):
        """On latents of its own, by an application that keeps no state of G."""
        r, draws, kept = self.regs[rid], augment.Draws(self.t, p, rid, 0), dict(g.new)
        image = g(draws.z(), [0] + list(self.out_shape()))
        g.new = kept
        lengths, = torch.autograd.grad((image * draws.normal()).sum() / math.sqrt(image.shape[1] * image.shape[2]), g.w, create_graph=True)
        lengths = torch.sqrt((lengths ** 2).sum(2).mean(1))
        mean = torch.lerp(self.s[f"regularizers/{rid}/mean"], lengths.mean(), self.param(rid, "decay", step))
        v = self.param(rid, "weight", step) * ((lengths - mean) ** 2).mean()
        self.same(f"{p} term {rid}", self.out(p, f"term/{rid}"), v)
        expect[f"regularizers/{rid}/mean"] = mean
        return v

    def descend(self, p, role, net, loss, ps, step, expect):
        names = list(ps)
        sums = [y for _, y in net.biased]
        grads = torch.autograd.grad(loss, [ps[n] for n in names] + sums, allow_unused=True)
        absolute = {}
        for (n, _), g in zip(net.biased, grads[len(names):]):
            if g is not None:
                absolute[n] = absolute.get(n, 0) + g.abs().reshape(-1, g.shape[-1]).sum(0)
        if self.parts > 1:
            largest = max([g.abs().max().item() for g in grads[:len(names)] if g is not None] + [0.0])
            for n, g in zip(names, grads):
                where = f"accumulate/{p.split('.', 2)[2]}/{n}"
                expect[where] = self.s[where] + (0 if g is None else g.detach())
                self.least[where] = max(1e-3 * largest, absolute[n].max().item() / CONDITION if n in absolute else 0.0)
            return
        self.apply(p, role, names, ps, grads, absolute, step, expect)

    def apply(self, p, role, names, ps, grads, absolute, step, expect):
        o = self.cfg[role]["optim"]
        grads = self.clipped(role, grads, len(names), step)
        count = float(self.s[f"counter/{role}.updates"]) + 1
        lr = o["lr"] * self.schedule(f"{role}.optim.lr", step)
        largest = max([g.abs().max().item() for g in grads[:len(names)] if g is not None] + [0.0])
        for n, g in zip(names, grads):
            g = torch.zeros_like(ps[n]) if g is None else g
            ours = self.t.get(f"{p}/out/grad/{n}")
            self.same(f"{p} grad {n}", ours, g, max(1e-3 * largest, absolute[n].max().item() / CONDITION if n in absolute else 0.0))
            # the optimizer is checked from Gantry's own gradient: Adam divides by it, which magnifies rounding near zero
            w, slots = nets.update(o, self.s, n, ps[n].detach(), tensor(ours), count, lr, self.correction(role))
            for rid, r in self.regs.items():
                if r["name"] == "weight_clip" and role in nets.of(r):
                    w = w.clamp(-self.param(rid, "limit", step), self.param(rid, "limit", step))
            expect[n] = w
            expect.update(slots)
        expect[f"counter/{role}.updates"] = torch.tensor(count)

    def clipped(self, role, grads, n, step):
        """The network's gradients after torch's own clipping; what else was differentiated is passed on."""
        for rid, r in sorted(self.regs.items()):
            if r["name"] not in ("gradient_clip_norm", "gradient_clip_value") or role not in nets.of(r):
                continue
            holders = [torch.nn.Parameter(torch.zeros_like(g)) for g in grads[:n] if g is not None]
            for q, g in zip(holders, [g for g in grads[:n] if g is not None]):
                q.grad = g.detach().clone()
            limit = self.param(rid, "limit", step)
            (torch.nn.utils.clip_grad_norm_ if r["name"].endswith("norm") else torch.nn.utils.clip_grad_value_)(holders, limit)
            made = iter(holders)
            grads = [g if g is None else next(made).grad for g in grads[:n]] + list(grads[n:])
        return grads

    def targets(self, p, step):
        """Of D: the loss's own, smoothed, then flipped sample by sample."""
        loss = self.cfg["loss"]
        real, fake = loss.get("target_real", 1.0) * self.schedule("loss.target_real", step), loss.get("target_fake", 0.0) * self.schedule("loss.target_fake", step)
        for rid, r in sorted(self.regs.items()):
            if r["name"] == "label_smoothing":
                real, fake = self.param(rid, "real", step), self.param(rid, "fake", step)
        for rid, r in sorted(self.regs.items()):
            if r["name"] == "label_flip":
                draws = augment.Draws(self.t, p, rid, self.next.get((p, rid), 0))
                flip = lambda key, own, other: torch.where(draws.uniform() < self.param(rid, key, step), torch.as_tensor(other), torch.as_tensor(own))
                flipped = flip("real", real, fake), flip("fake", fake, real)
                (real, fake), self.next[p, rid] = flipped, draws.k
        return real, fake

    def signed(self, *logits):
        """What a mean of logits of both signs is measured by."""
        return sum(v.detach().abs().mean().item() for v in logits) / CONDITION if self.cfg["loss"]["name"] in ("wasserstein", "hinge") else 0.0

    def d_part(self, p, step, g, expect):
        real = tensor(self.out(p, "real"))
        fake = g(self.draw_z(p), real.shape)
        d, ps = self.network(p, "d", True)
        seen_real, seen_fake = self.seen(p, step, real, "real"), self.seen(p, step, fake.detach(), "fake")
        lr_, lf = self.both(d, seen_real, seen_fake)
        self.ada_states(lr_, expect)
        loss = nets.d_loss(self.cfg, lr_, lf, self.targets(p, step))
        self.same(f"{p} loss_d", self.out(p, "loss_d"), loss, self.signed(lr_, lf))
        self.same(f"{p} fake", self.out(p, "fake"), fake)
        self.check_seen(p, real, seen_real, "real_seen")
        if any(r["name"] in augment.STAGE and r["name"] != "augment_real" for r in self.regs.values()):
            self.same(f"{p} fake_seen", self.out(p, "fake_seen"), seen_fake)
        for rid, r in sorted(self.regs.items()):
            if self.lazy(r) > 1 or "d" not in nets.of(r):
                continue
            v = self.term(p, rid, step, real, fake.detach(), d)
            if v is not None:
                self.same(f"{p} term {self.term_name(rid, 'd')}", self.out(p, f"term/{self.term_name(rid, 'd')}"), v)
                loss = loss + v
        self.descend(p, "d", d, loss, ps, step, expect)
        expect.update(d.new)
        expect["counter/images"] = self.s["counter/images"] + self.cfg["train"]["batch"] // self.parts
        return fake

    def both(self, d, real, fake, kept=False):
        """D's logits of both sides: one application each, real first, or one on both."""
        if self.cfg["d"].get("batches") == "joint":
            return d(torch.cat([real, fake])).chunk(2)
        if not kept:
            return d(real), d(fake)
        before = dict(d.new)  # G's step keeps none of D's states: both applications begin from the same
        seen_fake, d.new = d(fake), dict(before)
        seen_real, d.new = d(real), dict(before)
        return seen_real, seen_fake

    def g_part(self, p, step, g, fake, ps, expect):
        d, _ = self.network(p, "d", False)
        pairs = self.cfg["loss"]["name"] == "relativistic"
        looks = any(r["name"] == "unrolled" for r in self.regs.values())
        fake = self.seen(p, step, fake, "fake g")
        real = self.seen(p, step, tensor(self.out(p, "real")), "real g") if pairs or looks else None
        for rid, r in sorted(self.regs.items()):
            if r["name"] == "unrolled":
                self.look_ahead(p, step, d, int(r["steps"]), real, fake)
        if pairs:
            seen_real, seen = self.both(d, real, fake, True)
        else:
            seen, seen_real = d(fake), None
        loss = nets.g_loss(self.cfg, seen, seen_real)
        self.same(f"{p} loss_g", self.out(p, "loss_g"), loss, self.signed(seen))
        for rid, r in sorted(self.regs.items()):
            if r["name"] == "path_length" and self.lazy(r) == 1:
                loss = loss + self.path_length(p, rid, step, g, expect)
            if r["name"] == "auxiliary_classifier" and "g" in nets.of(r):
                v = self.param(rid, "g", step) * torch.nn.functional.cross_entropy(d.classes, d.label)
                self.same(f"{p} term {self.term_name(rid, 'g')}", self.out(p, f"term/{self.term_name(rid, 'g')}"), v)
                loss = loss + v
        self.descend(p, "g", g, loss, ps, step, expect)

    def look_ahead(self, p, step, d, k, real, fake):
        """k updates of D's optimizer, which G's gradient passes: weights are graphs of the fakes."""
        o, start = self.cfg["d"]["optim"], self.s
        slots = dict(self.s)
        for j in range(k):
            ps = {n: d.get(n) for n in self.s if n.startswith("d/") and not self.buffer(n)}
            ps = {n: v if v.requires_grad else v.clone().requires_grad_(True) for n, v in ps.items()}
            d.params, d.cache = ps, {}
            loss = nets.d_loss(self.cfg, d(real), d(fake), self.targets(p, step))
            grads = torch.autograd.grad(loss, list(ps.values()), create_graph=True, allow_unused=True)
            d.params = {}
            for (n, w), g in zip(ps.items(), grads):
                d.params[n], new = nets.update(o, slots, n, w, torch.zeros_like(w) if g is None else g, float(start["counter/d.updates"]) + 1 + j, o["lr"] * self.schedule("d.optim.lr", step), self.correction("d"))
                slots.update(new)
            d.cache = {}

    def apply_sums(self, p, step, grad, expect):
        """The optimizer on the mean of the parts' gradients, which begin at zero again."""
        role = grad[0]
        lead = f"accumulate/{grad}/"
        sums = {k[len(lead):]: v for k, v in self.s.items() if k.startswith(lead) and not k.endswith("/keep")}
        ps = {k: self.s[k] for k in sums}
        self.apply(p, role, list(sums), ps, [v / self.parts for v in sums.values()], {}, step, expect)
        expect.update({lead + k: torch.zeros_like(v) for k, v in sums.items()})

    def seen(self, p, step, x, side):
        """What D sees of x, by the draws of the first call for this side of this program. side: "real", "fake", or those with "g" behind."""
        inputs = sorted((augment.STAGE[r["name"]], r.get("order", 0), rid) for rid, r in self.regs.items() if r["name"] in augment.STAGE)
        for _, _, rid in inputs:
            r = self.regs[rid]
            if r["name"] == "augment_real" and not side.startswith("real"):
                continue
            k = self.starts.setdefault((p, rid, side), self.next.get((p, rid), 0))
            draws = augment.Draws(self.t, p, rid, k)
            strength = self.s[f"regularizers/{rid}/p"].item() if r["name"] == "ada" and r.get("adapt") == "sign" else self.param(rid, "p", step) if r["name"] == "ada" else None
            x = augment.PARTS[r["name"]](r, x, draws, step, lambda key: self.param(rid, key, step), strength)
            self.next[p, rid] = max(self.next.get((p, rid), 0), draws.k)
        return x

    def check_seen(self, p, x, y, name):
        if y is not x:
            self.same(f"{p} {name}", self.out(p, name), y)

    def ada_states(self, logits, expect):
        """The sign heuristic."""
        for rid, r in self.regs.items():
            if r["name"] != "ada" or r.get("adapt") != "sign":
                continue
            lead = f"regularizers/{rid}/"
            signs, batches, strength = self.s[lead + "signs"] + torch.sign(logits.detach()).mean(), self.s[lead + "batches"] + 1, self.s[lead + "p"]
            if batches >= r["interval"]:
                strength = torch.clamp(strength + torch.sign(signs / batches - r["target"]) * self.cfg["train"]["batch"] / self.parts * r["interval"] / r["speed"], min=0)
                signs, batches = signs * 0, batches * 0
            expect.update({lead + "signs": signs, lead + "batches": batches, lead + "p": strength})

    def correction(self, role):
        """Of every update of a network, for the updates that its lazy terms add."""
        return 1 / (1 + sum(1 / self.lazy(r) for r in self.regs.values() if self.lazy(r) > 1 and role in nets.of(r)))

    @staticmethod
    def lazy(r):
        return int(r["every"]["steps"]) if isinstance(r.get("every"), dict) else 1

    def run(self, p):
        number, _, name = p.split(".", 2)
        step, expect = int(number), {}
        if name.endswith("_apply"):
            self.apply_sums(p, step, name[:-6], expect)
        elif name == "d_step":
            g, _ = self.network(p, "g", False)
            self.d_part(p, step, g, expect)
            expect.update(g.new)
        elif name == "g_step":
            g, ps = self.network(p, "g", True)
            shape = [0] + list(self.out_shape())
            self.g_part(p, step, g, g(self.draw_z(p), shape), ps, expect)
            expect.update(g.new)
        elif name == "dg_step":
            g, ps = self.network(p, "g", True)
            fake = self.d_part(p, step, g, expect)
            self.g_part(p, step, g, fake, ps, expect)
            expect.update(g.new)
        elif name.startswith("d_lazy."):
            rid = name.split(".", 1)[1]
            k = self.lazy(self.regs[rid])
            real = tensor(self.out(p, "real"))
            g, _ = self.network(p, "g", False)
            d, ps = self.network(p, "d", True)
            self.seen(p, step, real, "real")  # drawn first
            v = self.term(p, rid, step, real, g(self.draw_z(p), real.shape).detach() if self.regs[rid]["name"] in ("gradient_penalty", "r2", "consistency") else None, d)
            self.same(f"{p} term {rid}", self.out(p, f"term/{rid}"), v)
            self.descend(p, "d", d, v * k, ps, step, expect)
        elif name.startswith("g_lazy."):
            g, ps = self.network(p, "g", True)
            g.applied = 1  # the host's own application
            rid = name.split(".", 1)[1]
            self.descend(p, "g", g, self.path_length(p, rid, step, g, expect) * self.lazy(self.regs[rid]), ps, step, expect)
        elif name == "ema":
            e = self.cfg["g"]["ema"]
            beta = e.get("decay", 0.999)
            if isinstance(e.get("half_life"), dict):
                unit, n = next(iter(e["half_life"].items()))
                steps = {"steps": n, "kimg": math.ceil(n * 1000 / self.per_step), "images": math.ceil(n / self.per_step)}[unit]
                half = steps * self.per_step
                if e.get("ramp_up", 0) > 0:
                    half = min(half, float(self.s["counter/images"]) * e["ramp_up"])
                beta = 0.5 ** (self.per_step / max(half, 1e-8))
            for n in [k for k in self.s if k.startswith("ema/")]:
                now = self.s[n[4:]]
                buffer = self.buffer(n) or n.endswith("/u") or n.endswith("/v")
                expect[n] = now if buffer else now + beta * (self.s[n] - now)
        else:
            raise SystemExit(f"no peer for program {name}")
        self.check_states(p, expect)

    def out_shape(self):
        for k, v in self.t.items():
            if k.endswith("/out/real"):
                return v.shape[1:]
        raise SystemExit("the trace holds no real batch")

    def check_states(self, p, expect):
        after = {k[len(p) + 7:]: v for k, v in self.t.items() if k.startswith(f"{p}/state/")}
        changed = {n: v for n, v in after.items() if n not in self.s or not torch.equal(self.s[n], tensor(v))}
        for n, v in changed.items():
            if n.startswith("log/") or n.endswith(".invocation"):
                continue
            if n not in expect:
                self.bad.append((math.inf, f"{p} state {n} changed and should not have"))
                continue
            self.same(f"{p} state {n}", v, expect[n].reshape(v.shape), self.least.get(n, 0.0) if expect[n].abs().max() > 0 else 0.0)
        for n, v in expect.items():
            if n not in changed and (self.s[n] - v.detach().reshape(self.s[n].shape)).abs().max().item() > 1e-6:
                self.bad.append((math.inf, f"{p} state {n} should have changed"))
        for n, v in changed.items():
            self.s[n] = tensor(v)

    def replay(self):
        for p in self.programs:
            self.run(p)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("trace", nargs="+")
    a.add_argument("--tol", type=float, default=1e-4)
    a.add_argument("--golden")
    a.add_argument("--f32", type=int, default=0, metavar="N", help="compare the N worst cancelled gradients with PyTorch's own f32")
    a = a.parse_args()
    failed = 0
    for path in a.trace:
        r = Replay(path, a.tol)
        r.replay()
        print(f"{path}: {len(r.programs)} programs, {r.compared} tensors, largest relative error {r.worst:.2e}" + (f", {len(r.cancelled)} cancelled" if r.cancelled else "") + (f", {len(r.bad)} BAD" if r.bad else ""))
        for d, name in sorted(r.bad, reverse=True)[:8]:
            print(f"  {d:.3e}  {name}")
        failed |= bool(r.bad)
        if r.half:
            plain = Replay(path, a.tol, False)
            plain.replay()
            gradients = [d for d, name in plain.bad if " grad " in name]
            print(f"  without rounding: largest relative error {plain.worst:.2e}, {len(plain.bad)} tensors beyond the tolerance of {r.tol:g}, {len(gradients)} of them gradients")
            if not gradients:
                print("  BAD: this comparison does not see what bf16 does")
                failed = True
        if a.f32 and r.cancelled:
            torch.set_default_dtype(torch.float32)
            own = Replay(path, math.inf)
            own.replay()
            torch.set_default_dtype(torch.float64)
            rows = [(e / s, (own.values[n].double() - r.values[n]).abs().max().item() / s, m / s, n) for n, e, s, m in r.cancelled if s > 1e-10]
            for ours, theirs, condition, n in sorted(rows, reverse=True)[:a.f32]:
                print(f"  measured by {condition:.1f} times itself: relative error {ours:.1e}, PyTorch f32 {theirs:.1e}  {n}")
            median = lambda v: sorted(v)[len(v) // 2]
            if rows:
                print(f"  median error of {len(rows)} cancelled over what they are measured by: {median([o / c for o, _, c, _ in rows]):.1e}, PyTorch f32 {median([t / c for _, t, c, _ in rows]):.1e}")
        if a.golden:
            with open(a.golden, "w") as f:
                f.writelines(f"{n}\t{norm:.9e}\t{top:.9e}" + (f"\t{c:.9e}\n" if c else "\n") for n, norm, top, c in r.golden)
    sys.exit(failed)


if __name__ == "__main__":
    main()
