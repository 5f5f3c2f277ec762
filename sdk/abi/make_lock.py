#!/usr/bin/env python3
"""make_lock.py - writes sdk/abi/lock_v0.h from the headers as they are: every field's offset and type, every struct's size, every number. Run by `make abi-dump`.

The headers are read as text (their style is regular); offsets and sizes come from a program compiled against them."""
import os, re, subprocess, tempfile

HEADERS = ["abi.h", "loss.h", "arch.h", "optim.h", "regularizer.h", "metric.h", "dataset.h", "program.h", "backend.h"]
root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "include")

def fields(body):
    """(name, type or None) of every field; None where the type has no name to compare with."""
    body = re.sub(r"union\s*\{[^}]*\}", "union_", body)
    for declaration in body.split(";"):
        d = " ".join(declaration.split())
        if not d:
            continue
        pointer = re.match(r"(.+?)\(\*(\w+)\)\s*\((.*)\)$", d)
        if pointer:
            yield pointer.group(2), "%s (*)(%s)" % (pointer.group(1).strip(), pointer.group(3))
            continue
        base = re.match(r"((?:const\s+)?(?:struct\s+)?\w+(?:\s+const)?)\s*(.*)$", d)
        for name in base.group(2).split(","):
            m = re.match(r"\s*((?:\*\s*(?:const\s*)?)*)(\w+)((?:\[\w+\])*)", name)
            kind = "%s %s" % (base.group(1), m.group(1).strip()) if m.group(1) else base.group(1)
            yield m.group(2), None if base.group(1) == "union_" else kind.strip() + (" *" if m.group(3) else "")

rows, structs, values = [], [], []
for header in HEADERS:
    text = re.sub(r"/\*.*?\*/", " ", open(os.path.join(root, "gantry", header)).read(), flags=re.S)
    for name, body in re.findall(r"struct\s+(gantry_\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}", text):
        structs.append(name)
        rows += [(name, f, t) for f, t in fields(body)]
    for body in re.findall(r"enum\s*\{([^{}]*)\}", text):
        values += re.findall(r"\b(GANTRY_\w+)\s*=\s*(-?\d+)", body)
values += [("GANTRY_OP_" + name, number) for number, name in re.findall(r"^OP\((\d+),\s*(\w+)", open(os.path.join(root, "gantry", "ops.def")).read(), flags=re.M)]

with tempfile.TemporaryDirectory() as d:
    with open(d + "/p.c", "w") as c:
        c.write("#include <stdio.h>\n" + "".join("#include <gantry/%s>\n" % h for h in HEADERS))
        c.write("int main(void) {\n")
        for s, f, t in rows:
            c.write('  printf("%%zu\\n", offsetof(%s, %s));\n' % (s, f) if s != "gantry_host" else '  printf("%%zu\\n", offsetof(struct %s, %s));\n' % (s, f))
        for s in structs:
            c.write('  printf("%%zu\\n", sizeof(struct %s));\n' % s)
        c.write("}\n")
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-I" + root, "-o", d + "/p", d + "/p.c"], check=True)
    numbers = subprocess.run([d + "/p"], check=True, capture_output=True, text=True).stdout.split()

out = ["/* lock_v0.h - the boundary as it was recorded: offset and type of every field, size of every struct (on 64-bit machines), every number. Written by make_lock.py;",
       " * included by lock.c, which every build compiles. Fields and numbers may be added behind the last ones; nothing recorded here may move or change. */"]
current = None
for (s, f, t), n in zip(rows, numbers):
    if s != current:
        out.append("SIZE(%s, %s)" % (s, numbers[len(rows) + structs.index(s)]))
        current = s
    out.append("FIELD(%s, %s, %s, %s)" % (s, f, n, t) if t else "OFFSET(%s, %s, %s)" % (s, f, n))
for k in range(0, len(values), 4):
    out.append(" ".join("VALUE(%s, %s)" % v for v in values[k:k + 4]))
open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lock_v0.h"), "w").write("\n".join(out) + "\n")
