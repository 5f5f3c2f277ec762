#!/bin/bash
# format.sh - experiments/FORMAT.md names every key of the experiment format: those of the top, of a cell, and of what a cell holds, as the JSON Schema has them.
cd "$(dirname "$0")/../.." || exit 1
G=${GANTRY:-./gantry}
[ -x "$G" ] || { echo "gantry is not built"; exit 77; }
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
"$G" plugins schema >/tmp/gantry-format-$$ && python3 - /tmp/gantry-format-$$ <<'PY'
import json, re, sys
schema = json.load(open(sys.argv[1]))
text = open("experiments/FORMAT.md").read()
words = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`[^`\n]+`", text)) + " ".join(re.findall(r"```json(.*?)```", text, re.S))))
top = set(schema["properties"]) - {"note"}
base = schema["properties"]["base"]["properties"]
wanted = set(top) | set(base)
for section in ("g", "d", "net", "train", "samples", "checkpoints", "log"):
    wanted |= set(base[section]["properties"])
for section in ("ema", "latent"):
    wanted |= set(base["g"]["properties"][section]["properties"])
wanted |= set(base["schedules"]["additionalProperties"]["properties"])
for kind in ("regularizers", "metrics"):  # what every one of the kind has
    every = [set(x["properties"]) for x in base[kind]["additionalProperties"]["anyOf"]]
    wanted |= set.intersection(*every)
wanted |= set.intersection(*[set(x["properties"]) for x in base["data"]["anyOf"]])
missing = sorted(w for w in wanted - {"note"} if w not in words)
if len(wanted) < 60 or missing:
    print("experiments/FORMAT.md does not name:", *missing, "(%d keys looked at)" % len(wanted))
    sys.exit(1)
PY
rc=$?
rm -f /tmp/gantry-format-$$
exit $rc
