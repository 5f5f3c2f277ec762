"""draw.py SEED DIR - writes a random small experiment for parity: arch, norms, loss, penalties, optimizers, schedules, EMA, steps."""
import json
import random
import sys


def optim(r):
    k = r.choice(["adam", "adam", "rmsprop", "sgd"])
    if k == "adam":
        return {"name": "adam", "lr": r.choice([1e-4, 1e-3]), "beta1": r.choice([0.0, 0.5, 0.9]), "beta2": r.choice([0.9, 0.99, 0.999]), "weight_decay": r.choice([0, 0, 0.01])}
    if k == "rmsprop":
        return {"name": "rmsprop", "lr": 1e-4, "decay": r.choice([0.9, 0.99]), "momentum": r.choice([0, 0.5])}
    m = r.choice([0, 0.9])
    return {"name": "sgd", "lr": 0.01, "momentum": m, "nesterov": bool(m) and r.random() < 0.5}


def arch(r, role, images):
    if images and r.random() < 0.7:
        a = {"name": r.choice(["dcgan", "dcgan", "dcgan", "resnet"]), "width": r.choice([4, 6, 8]), "norm": r.choice(["batch", "batch", "none", "instance", "layer", "pixel"]), "init": r.choice(["normal", "xavier", "he", "orthogonal"]),
             "attention_at": r.choice([0, 0, 0, 14])}
        if a["name"] == "dcgan":
            a.update(up=r.choice(["strided", "strided", "nearest", "fir"]), down=r.choice(["strided", "strided", "pool", "fir"]))
        else:
            a.update(act="swish")  # relu's kinks in a deep penalty are f32's matter, not ours
    else:
        a = {"name": "mlp", "width": r.choice([16, 24]), "depth": r.choice([1, 2, 3]), "norm": r.choice(["none", "batch", "layer"]), "act": r.choice(["relu", "leaky_relu", "tanh", "swish"]), "init": r.choice(["xavier", "he", "orthogonal"])}
    condition = r.choice(["none", "none", "none", "concat", "everywhere", "norm" if a["norm"] in ("batch", "instance", "layer", "virtual") else "none", "projection" if role == "d" else "concat"])
    if condition != "none":
        a["condition"], a["embed"] = condition, r.choice([0, 4])
    if role == "d" and r.random() < 0.2:
        a["minibatch_std"] = r.choice([2, 4])
    if role == "d" and r.random() < 0.15:
        a["minibatch_kernels"] = 4
    if r.random() < 0.15 and a["norm"] in ("batch", "layer"):
        a["norm"], a["reference"] = "virtual", 4
    if role == "g":
        a["z"] = r.choice([2, 8, 16])
    return a


def experiment(seed):
    r = random.Random(seed)
    images = r.random() < 0.6
    simultaneous = r.random() < 0.2
    loss = r.choice(["nonsaturating", "minimax", "lsgan", "wasserstein", "hinge", "relativistic"])
    base = {"data": {"name": "idx", "path": "fashion-mnist", "limit": 256} if images else {"name": "gaussians", "sigma": 0.2, "count": 1000},
            "g": {"arch": arch(r, "g", images), "optim": optim(r)}, "d": {"arch": arch(r, "d", images), "optim": optim(r)},
            "loss": {"name": loss, **({"against": r.choice(["pair", "average"])} if loss == "relativistic" else {"target_fake": r.choice([0, -1])} if loss == "lsgan" else {})}, "regularizers": {}, "schedules": {},
            "train": {"batch": r.choice([4, 8, 12]), "length": {"steps": 16}}}
    if simultaneous:
        base["train"]["updates"] = "simultaneous"
    else:
        base["train"]["d_steps"], base["train"]["g_steps"] = r.choice([1, 1, 2]), r.choice([1, 1, 2])
        base["train"]["accumulate"] = r.choice([1, 1, 1, 2]) if base["train"]["batch"] > 4 else 1
    if r.random() < 0.2:
        base["d"]["batches"] = "joint"
    elif r.random() < 0.15 and base["d"]["arch"].get("condition", "none") == "none" and base["d"]["arch"]["norm"] != "virtual" and base["train"].get("accumulate", 1) == 1:
        base["d"]["pack"] = 2
    for role in ("g", "d"):
        if base[role]["arch"]["name"] == "resnet":  # plain SGD blows its residual sums up, and differences of large logits leave f32 three digits
            base[role]["optim"] = {"name": "adam", "lr": 1e-4, "beta1": 0.5}
            if loss == "wasserstein":
                base["loss"]["name"] = loss = "nonsaturating"
    regs = base["regularizers"]
    if r.random() < 0.5:
        regs["gp"] = {"name": "gradient_penalty", "weight": r.choice([0.1, 10]), "one_sided": r.random() < 0.3, "force": True}
    if r.random() < 0.4:
        regs["r1"] = {"name": "r1", "gamma": r.choice([0.5, 10]), "force": True}
        if r.random() < 0.5 and not simultaneous:
            regs["r1"]["every"] = {"steps": r.choice([2, 3])}
    if r.random() < 0.4:
        regs["sn"] = {"name": "spectral_norm", "of": r.choice(["d", "d", "g"]), "power_steps": r.choice([1, 2]), "per": r.choice(["update", "update", "application"])}
    if r.random() < 0.2:
        regs["noise"] = {"name": "input_noise", "std": 0.1}
    if loss in ("nonsaturating", "minimax", "lsgan") and r.random() < 0.15:
        regs["zflip"] = {"name": "label_flip", "real": 0.2, "fake": 0.1}
    if images and r.random() < 0.2:
        regs["real"] = {"name": "augment_real", "crop": 2, "translation": 0.1, "brightness": 0.1}
    if images and r.random() < 0.25:
        regs["aug"] = r.choice([{"name": "diffaugment"}, {"name": "ada", "p": 0.6, "adapt": "none"}])
    if images and r.random() < 0.2 and base["d"].get("batches") != "joint":
        regs["same"] = {"name": "consistency", "real": 1, "fake": 1}
    if r.random() < 0.2:
        regs["clip"] = {"name": "weight_clip", "limit": 0.05}
    if loss in ("nonsaturating", "minimax", "lsgan") and r.random() < 0.4:
        regs["smooth"] = {"name": "label_smoothing", "real": 0.9, "fake": r.choice([0, 0.1])}
    if r.random() < 0.5:
        base["schedules"]["s"] = {"of": r.choice([["d.optim.lr"], ["g.optim.lr", "d.optim.lr"]]), "shape": r.choice(["linear", "cosine", "exponential", "step"]), "to": 0.1, "factor": 0.5, "every": {"steps": 3}}
        if r.random() < 0.4:
            base["schedules"]["s"]["warmup"] = {"steps": 4}
    if r.random() < 0.5:
        base["g"]["ema"] = r.choice([{"decay": 0.9}, {"half_life": {"images": 64}}, {"half_life": {"kimg": 1}, "ramp_up": 0.5}])
    return {"gantry": 1, "name": f"drawn_{seed}", "base": base, "seeds": [seed]}


if __name__ == "__main__":
    with open(f"{sys.argv[2]}/drawn_{sys.argv[1]}.json", "w") as f:
        json.dump(experiment(int(sys.argv[1])), f, indent=1)
