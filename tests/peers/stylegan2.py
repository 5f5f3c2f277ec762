"""Gantry's stylegan2 once more in PyTorch, written as the paper writes it: a filter of its own for every sample, in a grouped convolution; doubling by zeros between the pixels, the
FIR filter over a border wide enough to lose nothing, and then the convolution. Gantry does neither. Images N H W C. `net` is a nets.Net: states, labels, draws."""
import math
import torch
import torch.nn.functional as F

FIR = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
HALF = math.sqrt(0.5)


def gain(net):
    return math.sqrt(2) if net.arch["act"] in ("relu", "leaky_relu", "swish") else 1.0


def weight(net, name, out_axis, rate=1.0):
    w = net.weight(f"{name}/weight", out_axis)
    return w * rate / math.sqrt(w.numel() / w.shape[out_axis]) if net.arch["equalized"] else w * rate


def linear(net, name, x, rate=1.0):
    y = x @ weight(net, name, 0, rate).T
    return net.add_bias(name, y) if rate == 1 else y + rate * net.vector(f"{name}/bias")


def normal(x):
    return x / torch.sqrt((x * x).mean(1, keepdim=True) + 1e-8)


def mapping(net, x):
    for k in range(int(net.arch["map_layers"])):
        x = net.act(linear(net, f"mapping/layer{k}/linear", x, net.arch["map_lr"])) * gain(net)
    return x


def embedded(net, name, label):
    return normal(net.weight(f"{name}/weight", 0)[label])


def filtered(x, up, lo, hi, factor):
    """x N C H W: zeros between the pixels, a border of zeros, the filter."""
    n, c, h, w = x.shape
    y = x.new_zeros(n, c, h * up, w * up)
    y[:, :, ::up, ::up] = x
    k = torch.outer(FIR, FIR).to(x.dtype).expand(c, 1, 4, 4) * factor
    return F.conv2d(F.pad(y, (lo, hi, lo, hi)), k, groups=c)


def doubled(x):
    return filtered(x.permute(0, 3, 1, 2), 2, 2, 1, 4).permute(0, 2, 3, 1)


def modulated(net, name, x, latent, up, demodulate):
    n = x.shape[0]
    style = linear(net, f"{name}/style", latent)
    w = weight(net, name, 3 if up else 0)
    w = w.permute(3, 0, 1, 2).flip(2, 3) if up else w.permute(0, 3, 1, 2)  # out, in, k, k
    w = w[None] * style[:, None, :, None, None]
    if demodulate:
        w = w / torch.sqrt((w * w).sum((2, 3, 4), keepdim=True) + 1e-8)
    x, pad = x.permute(0, 3, 1, 2), w.shape[-1] // 2
    if up:
        x, pad = filtered(x, 2, 2 + pad, 1 + pad, 4), 0
    w = w.flatten(0, 1).contiguous(memory_format=torch.contiguous_format)  # without it PyTorch 2.15 gives wrong gradients of 1 x 1 filters here
    y = F.conv2d(x.reshape(1, -1, *x.shape[2:]), w, padding=pad, groups=n)
    return y.reshape(n, -1, *y.shape[2:]).permute(0, 2, 3, 1)


def latents(net, z, label, application, layers):
    def mapped(z):
        x = normal(z)
        if net.arch["condition"] == "concat":
            c = embedded(net, "label", label) if net.arch["embed"] else normal(F.one_hot(label, net.n_classes).to(x.dtype))
            x = torch.cat([x, c], 1)
        return mapping(net, x)
    w, decay = mapped(z), net.arch["w_decay"]
    net.new["g/w_avg"] = decay * net.get("g/w_avg") + (1 - decay) * w.detach().mean(0)
    every = w[:, None].expand(-1, layers, -1).clone()
    if net.arch["mixing"] > 0:
        other, draws = mapped(net.draws(application).z()), net.draws(f"{application}/g")
        u, chosen = draws.uniform(), draws.uniform() < net.arch["mixing"]
        for i in range(len(z)):
            if chosen[i]:
                from_ = 1 + int(u[i] * (layers - 1))
                every[i, from_:] = other[i]
    return every


def generator(net, z, shape, label):
    size, application = shape[1], f"g.{net.applied}"
    net.applied += 1
    base, k = size, 0
    while base > 7:
        base, k = base // 2, k + 1
    w = net.w = latents(net, z, label, application, 2 * k + 2)
    x, rgb, layer = net.vector("constant").expand(len(z), -1, -1, -1), None, 0

    def convolved(where, x, up):
        nonlocal layer
        y = modulated(net, f"{where}/conv", x, w[:, layer], up, bool(net.arch["demodulate"]))
        layer += 1
        if net.arch["noise"]:
            noise = net.vector(f"{where}/noise/strength") * net.draws(f"{application}/g/{where}/noise").normal() * torch.ones_like(y)
            net.biased.append((f"g/{where}/noise/strength", noise))  # summed like a bias
            y = y + noise
        return net.act(net.add_bias(where, y)) * gain(net)
    for j in range(k + 1):
        where = f"block{base << j}"
        if j:
            x = convolved(f"{where}/layer_a", x, True)
        x = convolved(f"{where}/layer_b", x, False)
        here = net.add_bias(f"{where}/image", modulated(net, f"{where}/image/conv", x, w[:, layer], False, False))
        rgb = here if rgb is None else here + doubled(rgb)
    return net.out_act(rgb, False)


def discriminator(net, x, label):
    a = net.arch

    def convolved(where, name, x, down, factor, bias=True):
        w, x = weight(net, name, 0).permute(0, 3, 1, 2), x.permute(0, 3, 1, 2)
        pad = w.shape[-1] // 2
        y = F.conv2d(filtered(x, 1, pad + 1, pad + 1, 1), w, stride=2) if down else F.conv2d(x, w, padding=pad)
        y = y.permute(0, 2, 3, 1)
        return net.act(net.add_bias(where, y)) * gain(net) * factor if bias else y * factor
    side = x.shape[1]
    x = convolved("image", "image/conv", net.join("image_label", x, True), False, 1)
    while side > 7:
        where = f"block{side}"
        y = convolved(f"{where}/layer_b", f"{where}/layer_b/conv", convolved(f"{where}/layer_a", f"{where}/layer_a/conv", x, False, 1), True, HALF)
        x, side = y + convolved("", f"{where}/skip", x, True, HALF, False), side // 2
    x = convolved("last", "last/conv", net.minibatch_std(x), False, 1)
    x = net.act(linear(net, "dense", x.reshape(x.shape[0], -1))) * gain(net)
    out = linear(net, "logit", x)
    return (out * mapping(net, embedded(net, "label", label))).sum(1) / math.sqrt(out.shape[1]) if a["condition"] == "projection" else out[:, 0]
