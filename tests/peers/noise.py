"""noise.py GOLDEN TRACE TRACE... - which numbers of a golden file are rounding and nothing else, and how large that is.

A bias in front of a normalization has no gradient; what is computed for it is rounding, and Adam makes steps of full length out of it. So its value after three steps differs from
one processor to another, and with it a running mean. In go a golden file (parity.py --golden) and traces of one experiment made by libraries that were told to use different
instruction sets (run.sh, GOLDEN=1). Where ten times their difference would not pass, the line's last number, the magnitude that test_golden.c measures errors by, becomes so large that it does. What PyTorch computed is left alone and not looked at: a fault that all traces share widens nothing."""
import json
import sys

import numpy as np

TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U32": np.uint32}


def read(path):
    with open(path, "rb") as f:
        head = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        body = f.read()
    return {k: np.frombuffer(body[slice(*v["data_offsets"])], TYPES[v["dtype"]]).astype(np.float64) for k, v in head.items() if k != "__metadata__" and v["dtype"] in TYPES}


def place(line):
    """The tensor of a trace that a line of a golden file is about."""
    program, rest = line.split(" ", 1)
    return f"{program}/{rest}".replace(" ", "/") if rest.startswith("state ") else f"{program}/out/{rest}".replace(" ", "/")


def main():
    golden, traces, wide, lines = sys.argv[1], [read(p) for p in sys.argv[2:]], 0, []
    for line in open(golden):
        name, norm, top, *least = line.rstrip("\n").split("\t")
        least, norm, top = float(least[0]) if least else 0.0, float(norm), float(top)
        all_of = [t[place(name)] for t in traces]
        n = max(all_of[0].size, 1)
        tops, norms = [np.abs(t).max(initial=0) for t in all_of], [np.sqrt((t * t).sum() / n) for t in all_of]
        spread = max(max(tops) - min(tops), max(norms) - min(norms))
        if 10 * spread > 1e-4 * max(min(top, norm / n**0.5), least, 1e-12):
            least, wide = 10 * spread / 1e-4, wide + 1
        lines.append(f"{name}\t{norm:.9e}\t{top:.9e}" + (f"\t{least:.9e}\n" if least else "\n"))
    open(golden, "w").writelines(lines)
    print(f"{golden}: {wide} of {len(lines)} numbers are measured by the rounding of {len(traces)} instruction sets")


main()
