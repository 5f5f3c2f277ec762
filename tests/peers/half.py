"""Products and convolutions as train.precision "bf16" has them: operands rounded to bfloat16, multiplied and summed as they come (f64 here), the result rounded once. Gradients of any
order go through the same four operations, as Gantry's do, whose derivatives are taken before anything is rounded.

Products with an axis shorter than 8, and convolutions to one pixel of fewer than 8 channels, are not rounded."""
import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.nn.grad import conv2d_input, conv2d_weight

SHORT = 8


def near(x):
    return x.to(torch.bfloat16).to(x.dtype)


class Product(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return near(near(a) @ near(b))

    @staticmethod
    def backward(ctx, c):
        a, b = ctx.saved_tensors
        return Product.apply(c, b.T), Product.apply(a.T, c)


def product(a, b):
    return a @ b if min(a.shape[0], a.shape[1], b.shape[1]) < SHORT else Product.apply(a, b)


class Conv(Function):
    @staticmethod
    def forward(ctx, x, w, stride, pad):
        ctx.save_for_backward(x, w)
        ctx.how = stride, pad
        return near(F.conv2d(near(x), near(w), stride=stride, padding=pad))

    @staticmethod
    def backward(ctx, c):
        x, w = ctx.saved_tensors
        return Image.apply(c, w, x.shape, *ctx.how), Filter.apply(x, c, w.shape, *ctx.how), None, None


class Image(Function):
    """Gradient of Conv to its image."""

    @staticmethod
    def forward(ctx, y, w, shape, stride, pad):
        ctx.save_for_backward(y, w)
        ctx.how = stride, pad
        return near(conv2d_input(shape, near(w), near(y), stride=stride, padding=pad))

    @staticmethod
    def backward(ctx, c):
        y, w = ctx.saved_tensors
        return Conv.apply(c, w, *ctx.how), Filter.apply(c, y, w.shape, *ctx.how), None, None, None


class Filter(Function):
    """Gradient of Conv to its filter."""

    @staticmethod
    def forward(ctx, x, y, shape, stride, pad):
        ctx.save_for_backward(x, y)
        ctx.how = stride, pad
        return near(conv2d_weight(near(x), shape, near(y), stride=stride, padding=pad))

    @staticmethod
    def backward(ctx, c):
        x, y = ctx.saved_tensors
        return Image.apply(y, c, x.shape, *ctx.how), Conv.apply(x, c, *ctx.how), None, None, None


def conv(x, w, stride, pad):
    pixels = [(x.shape[k] + 2 * pad - w.shape[k]) // stride + 1 for k in (2, 3)]
    if pixels == [1, 1] and w.shape[0] < SHORT:
        return F.conv2d(x, w, stride=stride, padding=pad)
    return Conv.apply(x, w, stride, pad)


def conv_transposed(x, w):
    """Of stride 2 with padding 1 and filters [in, out, 4, 4], as the networks have it."""
    return Image.apply(x, w, (x.shape[0], w.shape[1], 2 * x.shape[2], 2 * x.shape[3]), 2, 1)
