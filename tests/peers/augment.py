"""What stands in front of D once more in PyTorch: noise and augmentation, from the random bits that a trace gives. Images N H W C.

Nothing is shared with Gantry's sources. `draws` is a Draws of one regularizer at one side; every function takes its numbers in the documented order."""
import math

import numpy as np
import torch
import torch.nn.functional as F

STAGE = {"augment_real": 100, "diffaugment": 200, "ada": 200, "input_noise": 300}


class Draws:
    """The bits that one regularizer, or another place, drew in one program, from the k-th on."""

    def __init__(self, trace, program, rid, k, place="regularizers/"):
        self.t, self.lead, self.k = trace, f"{program}/out/draw/{place}{rid}/", k

    def z(self):
        return torch.tensor(self.t[f"{self.lead}g/z"].astype(np.float64), dtype=torch.get_default_dtype())

    def uniform(self):
        bits = self.t[f"{self.lead}{self.k}"].astype(np.float64)
        self.k += 1
        return torch.tensor(np.floor(bits / 256) / 16777216.0, dtype=torch.get_default_dtype())

    def normal(self):
        u = self.uniform() + 1 / 16777216.0
        return torch.sqrt(-2 * torch.log(u)) * torch.cos(2 * math.pi * self.uniform())

    def whole(self, lo, hi):
        return torch.floor(self.uniform() * (hi - lo + 1)) + lo


def wide(v):
    return v.reshape(-1, 1, 1, 1)


def mirrored(x, yes):
    return torch.where(wide(yes) > 0, x.flip(2), x)


def shifted(x, down, right, reflect):
    """Sample by sample: the image continued by zeros or reflection, and a window out of it."""
    n, h, w, _ = x.shape
    by = int(max(down.abs().max(), right.abs().max()).item())
    if by == 0:
        return x
    y = F.pad(x.permute(0, 3, 1, 2), (by,) * 4, mode="reflect" if reflect else "constant").permute(0, 2, 3, 1)
    return torch.stack([y[k, by - int(down[k]):by - int(down[k]) + h, by - int(right[k]):by - int(right[k]) + w] for k in range(n)])


def about(x, mean, scale):
    return mean + (x - mean) * wide(scale)


def augment_real(r, x, draws, step, param, p):
    _, h, w, _ = x.shape
    x = mirrored(x, (draws.uniform() < param("mirror")).to(x.dtype))
    if r["crop"]:
        down, right = draws.whole(-r["crop"], r["crop"]), draws.whole(-r["crop"], r["crop"])
        x = shifted(x, down, right, True)
    if r["translation"]:
        a, b = int(r["translation"] * h + 0.5), int(r["translation"] * w + 0.5)
        down, right = draws.whole(-a, a), draws.whole(-b, b)
        x = shifted(x, down, right, False)
    if r["brightness"]:
        x = x + wide((draws.uniform() * 2 - 1) * r["brightness"])
    if r["contrast"]:
        x = about(x, x.mean((1, 2, 3), keepdim=True), 1 + (draws.uniform() * 2 - 1) * r["contrast"])
    if r["saturation"]:
        x = about(x, x.mean(3, keepdim=True), 1 + (draws.uniform() * 2 - 1) * r["saturation"])
    return x


def diffaugment(r, x, draws, step, param, p):
    _, h, w, _ = x.shape
    if r["color"]:
        x = x + wide(draws.uniform() - 0.5)
        x = about(x, x.mean(3, keepdim=True), draws.uniform() * 2)
        x = about(x, x.mean((1, 2, 3), keepdim=True), draws.uniform() + 0.5)
    if r["translation"]:
        a, b = int(r["translation"] * h + 0.5), int(r["translation"] * w + 0.5)
        down, right = draws.whole(-a, a), draws.whole(-b, b)
        x = shifted(x, down, right, False)
    if r["cutout"]:
        a, b = int(r["cutout"] * h + 0.5), int(r["cutout"] * w + 0.5)
        top, left = draws.whole(0, h - a % 2) - a // 2, draws.whole(0, w - b % 2) - b // 2
        mask = torch.ones_like(x[..., :1])
        for k in range(x.shape[0]):
            mask[k, max(0, int(top[k])):max(0, int(top[k]) + a), max(0, int(left[k])):max(0, int(left[k]) + b)] = 0
        x = x * mask
    return x


def input_noise(r, x, draws, step, param, p):
    return x + param("std") * draws.normal()


SYM6 = [0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466, 0.787641141030194,
        0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148]


def warp(x, inverse):
    """Each pixel from where `inverse` maps it, by reflection, wavelet up, torch's own grid_sample, wavelet down."""
    n, h, w, c = x.shape
    y = F.pad(x.permute(0, 3, 1, 2), (w - 1, w - 1, h - 1, h - 1), mode="reflect")
    f = torch.tensor(SYM6, dtype=x.dtype)
    f = f / f.sum()
    up = y.new_zeros(n, c, 2 * y.shape[2], 2 * y.shape[3])
    up[:, :, ::2, ::2] = y
    both = torch.outer(f, f)
    up = F.conv2d(F.pad(up, (6, 5, 6, 5)), (both.flip(0, 1) * 4).expand(c, 1, 12, 12), groups=c)
    rows, columns = 2 * (h + 6), 2 * (w + 6)
    half = torch.tensor([[2.0, 0, -0.5], [0, 2, -0.5], [0, 0, 1]], dtype=x.dtype)
    back = torch.linalg.inv(half)
    m = half @ inverse @ back  # places in the doubled image from its centre, for places in the result
    j, i = torch.meshgrid(torch.arange(columns, dtype=x.dtype) - (columns - 1) / 2, torch.arange(rows, dtype=x.dtype) - (rows - 1) / 2, indexing="xy")
    at = torch.stack([j, i, torch.ones_like(j)], -1).reshape(-1, 3) @ m.transpose(1, 2)
    grid = at[..., :2].reshape(n, rows, columns, 2) * torch.tensor([2 / up.shape[3], 2 / up.shape[2]], dtype=x.dtype)
    y = F.grid_sample(up, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    y = F.conv2d(y[:, :, 1:-1, 1:-1], both.expand(c, 1, 12, 12), groups=c, stride=2)
    return y.permute(0, 2, 3, 1)


def maps(n, k, entries):
    zero = torch.zeros(n)
    return torch.stack([e if torch.is_tensor(e) else zero + e for e in entries], -1).reshape(n, k, k)


def ada(r, x, draws, step, param, p):
    n, h, w, c = x.shape
    m = torch.eye(3).expand(n, 3, 3)
    colour = torch.eye(4).expand(n, 4, 4)
    on = lambda key: r[key] > 0
    sometimes = lambda p, value, otherwise: torch.where(draws.uniform() < p, value, torch.full_like(value, otherwise))
    happens = lambda key, value, otherwise: sometimes(p * r[key], value, otherwise)
    rotation = lambda a: maps(n, 3, [torch.cos(a), -torch.sin(a), 0, torch.sin(a), torch.cos(a), 0, 0, 0, 1])
    scaling = lambda a, b: maps(n, 3, [a, 0, 0, 0, b, 0, 0, 0, 1])
    moving = lambda a, b: maps(n, 3, [1, 0, a, 0, 1, b, 0, 0, 1])
    angle = lambda: (draws.uniform() * 2 - 1) * math.pi
    some = 1 - math.sqrt(min(1.0, max(0.0, 1 - p * r["rotation"])))
    if on("mirror"):
        m = m @ scaling(1 - 2 * happens("mirror", draws.whole(0, 1), 0), 1)
    if on("turn"):
        m = m @ rotation(math.pi / 2 * happens("turn", draws.whole(0, 3), 0))
    if on("shift"):
        a, b = happens("shift", (draws.uniform() * 2 - 1) / 8, 0), happens("shift", (draws.uniform() * 2 - 1) / 8, 0)
        m = m @ moving(-torch.round(a * w), -torch.round(b * h))
    if on("scale"):
        s = happens("scale", torch.exp2(draws.normal() * 0.2), 1)
        m = m @ scaling(1 / s, 1 / s)
    if on("rotation"):
        m = m @ rotation(sometimes(some, angle(), 0))
    if on("anisotropy"):
        s = happens("anisotropy", torch.exp2(draws.normal() * 0.2), 1)
        m = m @ scaling(1 / s, s)
    if on("rotation"):
        m = m @ rotation(sometimes(some, angle(), 0))
    if on("fraction"):
        a, b = happens("fraction", draws.normal() / 8, 0), happens("fraction", draws.normal() / 8, 0)
        m = m @ moving(-a * w, -b * h)
    x = warp(x, m)
    gray = torch.tensor([1.0, 1, 1, 0]) / math.sqrt(3)
    along = torch.outer(gray, gray)
    eye = torch.eye(4)
    if on("brightness"):
        b = happens("brightness", draws.normal() * 0.2, 0)
        colour = maps(n, 4, [1, 0, 0, b, 0, 1, 0, b, 0, 0, 1, b, 0, 0, 0, 1]) @ colour
    if on("contrast"):
        s = happens("contrast", torch.exp2(draws.normal() * 0.5), 1)
        colour = maps(n, 4, [s, 0, 0, 0, 0, s, 0, 0, 0, 0, s, 0, 0, 0, 0, 1]) @ colour
    if on("luma_flip"):
        colour = (eye - 2 * along * happens("luma_flip", draws.whole(0, 1), 0).reshape(n, 1, 1)) @ colour
    if c > 1 and on("hue"):
        a = happens("hue", angle(), 0).reshape(n, 1, 1)
        k = torch.tensor([[0.0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) / math.sqrt(3)
        colour = torch.linalg.matrix_exp(a * k) @ colour  # a rotation is the exponential of its generator
    if c > 1 and on("saturation"):
        s = happens("saturation", torch.exp2(draws.normal()), 1).reshape(n, 1, 1)
        colour = (along + (eye - along) * s) @ colour
    if c == 1:
        row = colour[:, :3].mean(1)
        return x * wide(row[:, :3].sum(1)) + wide(row[:, 3])
    return torch.einsum("nij,nhwj->nhwi", colour[:, :3, :3], x) + colour[:, :3, 3].reshape(n, 1, 1, 3)


PARTS = {"augment_real": augment_real, "diffaugment": diffaugment, "ada": ada, "input_noise": input_noise}


def transformed(r, x, draws):
    """bCR's T."""
    if r["mirror"]:
        x = mirrored(x, (draws.uniform() < 0.5).to(x.dtype))
    if r["shift"]:
        down, right = draws.whole(-r["shift"], r["shift"]), draws.whole(-r["shift"], r["shift"])
        x = shifted(x, down, right, True)
    return x
