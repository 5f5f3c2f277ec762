# The formats of one report beside each other: the same numbers, whole tables, nothing of a label left raw.
import csv, html, json, math, re

def table(name):
    rows = list(csv.reader(open(name, encoding="utf-8", newline="")))
    assert all(len(r) == len(rows[0]) for r in rows), name
    assert len(set(rows[0])) == len(rows[0]), "two columns of one name"
    return [dict(zip(rows[0], r)) for r in rows[1:]]

def same(a, b):
    return (a in ("", None) and b in ("", None)) or math.isclose(float(a), float(b), rel_tol=1e-12, abs_tol=1e-15)

cells, effects, curves, pairs = (table(t + ".csv") for t in ("cells", "effects", "curves", "pairs"))
report = json.load(open("r.json", encoding="utf-8"))
levels = {f["name"]: f["levels"] for f in report["factors"]}
assert levels == {"label": ["a,b", 'say "two"'], "f_two": ["[x] -- <é> _%&$#{}~^\\", "line\nbreak 中"]}, levels

# cells: factors are columns (one shares its name with a column), numbers those of the model in JSON and of the view `ranking`
assert [(c["factor_label"], c["f_two"]) for c in cells] == [(c["levels"]["label"], c["levels"]["f_two"]) for c in report["cells"]]
assert [c["label"] for c in cells] == [c["label"] for c in report["cells"]]
for m in report["metrics"]:
    for c, j in zip(cells, m["cells"]):
        name = m["name"]
        assert all(same(c[f"{name}.{k}"], j[k]) for k in ("n", "mean", "sd", "lo", "hi"))
        a = j["against_baseline"] or {}
        assert all(same(c[f"{name}.{k}"], a.get(q)) for k, q in (("change", "change"), ("change_lo", "lo"), ("change_hi", "hi"), ("change_n", "pairs")))
        assert (c[f"{name}.rank"] == "best") == (m["best"] == j["cell"]) and (c[f"{name}.rank"] != "behind") == j["close_to_best"]
ranking = table("ranking.csv")
assert len(ranking) == 4 * len(report["metrics"]) == 12
for r in ranking:
    c = cells[int(r["cell"])]
    assert same(r["n"], c[r["metric"] + ".n"]) and same(r["mean"], c[r["metric"] + ".mean"]) and abs(float(r["sd"]) - float(c[r["metric"] + ".sd"])) < 1e-6
assert all(c["diverged"] == "0" and c["runs"] == "2" for c in cells)

# effects and pairs: those of the model and of the view
for m in report["metrics"]:
    mine = [e for e in effects if e["metric"] == m["name"]]
    assert len(mine) == len(m["effects"]) == 2
    for e, j in zip(mine, m["effects"]):
        assert (e["factor"], e["from"], e["to"]) == (j["factor"], j["from"], j["to"]) and all(same(e[k], j[q]) for k, q in (("change", "change"), ("change_lo", "lo"), ("change_hi", "hi"), ("p", "p"), ("p_holm", "p_holm"), ("pairs", "pairs")))
view = {r["k"]: r for r in table("view_pairs.csv")}
assert len(pairs) == len(view) > 0
for p in pairs:
    v = view[" ".join((p["from_cell"], p["to_cell"], p["seed"], p["metric"]))]
    assert same(p["from_value"], v["from_value"]) and same(p["to_value"], v["to_value"])
    if p["unit"] == "percent":
        assert same(p["change"], 100 * (float(p["to_value"]) / float(p["from_value"]) - 1)) or abs(float(p["change"])) < 1e-9
for e in effects:  # the mean of a balanced effect is that of its pairs
    mine = [p for p in pairs if all(p[k] == e[k] for k in ("factor", "from", "to", "metric"))]
    assert len(mine) == int(e["pairs"])
    if e["unit"] == "percent":
        assert same(e["change"], 100 * math.expm1(sum(math.log1p(float(p["change"]) / 100) for p in mine) / len(mine))) or abs(float(e["change"])) < 1e-9
    else:
        assert abs(float(e["change"]) - sum(float(p["change"]) for p in mine) / len(mine)) < 1e-12

# curves end where the runs' values are
for r in report["runs"]:
    for name, value in r["values"].items():
        end = [c for c in curves if c["cell"] == str(r["cell"]) and c["seed"] == str(r["seed"]) and c["metric"] == name]
        assert len(end) == 3 and same(end[-1]["value"], value), end
assert {c["metric"] for c in curves} >= {"loss_d", "loss_g"}

# the page says the same, in its digits
page = open("r.html", encoding="utf-8").read()
judge = report["metrics"][0]
for j in judge["cells"]:
    assert "%.4g ± %.2g" % (j["mean"], j["sd"]) in page
for c in report["cells"]:
    assert html.escape(c["label"], quote=True) in page.replace("&#39;", "&#x27;") or html.escape(c["label"], quote=False) in page

# LaTeX: rows of equal width, balanced braces, nothing raw
tex = open("r.tex", encoding="utf-8").read()
body = [l for l in tex.split("\n") if l and not l.startswith("%")]
assert body[0].startswith("\\begin{tabular}{") and body[-1] == "\\end{tabular}" and [l for l in body if l.startswith("\\")] == [body[0], "\\toprule", "\\midrule", "\\bottomrule", "\\end{tabular}"]
width = len(re.search(r"\{tabular\}\{([lr]+)\}", body[0]).group(1))
rows = [l for l in body if not l.startswith("\\")]
assert len(rows) == 1 + 4
for l in rows:
    assert l.endswith(" \\\\") and not l.startswith("[")
    plain = re.sub(r"\\[&%$#_{}]", "", l)
    assert plain.count("&") == width - 1 and plain.count("{") == plain.count("}") and plain.count("$") % 2 == 0
    words = re.sub(r"\$[^$]*\$", "", plain)
    assert not re.search(r"[%#_~^<>\"]|--(?!\s)", words.replace(" & -- ", " ")), words
    assert re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textquotedbl)\{\}", "", words).count("\\") == 2, words
assert sum("\\mathbf" in l for l in rows) >= 1
print("the formats agree")
