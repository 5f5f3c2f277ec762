/* The report's formats for programs and papers: CSV, JSON, LaTeX hold the numbers of the model, and survive whatever labels hold. */
#include "loaded.h"

#include "report/exchange.h"

/* Labels out of files that hold everything which could break a table. */
static void hostile(w *x) {
  report_model *m = &x->m;
  m->factors[0].levels[0] = "[x], \"q\"\nline";
  m->factors[0].levels[2] = "a_b & 100% $1 #2 {c} ~ ^ \\ -- <z>";
  m->cells[0].label = "loss=[x], \"q\"\nline sn=off";
}
static uint32_t lines_of(const char *s) {
  uint32_t n = 0;
  for (; *s; s++) n += *s == '\n';
  return n;
}

static const char *commas(w *x, double v) { /* the number as a field */
  buf b = {0};
  buf_putc(&b, ',');
  exchange_number(&b, v);
  buf_putc(&b, ',');
  const char *text = arena_str(x->a, b.p);
  buf_free(&b);
  return text;
}

static void test_formats__csv_has_the_numbers_of_the_model(void) {
  w x;
  report_model *all;
  uint32_t n;
  buf b = {0};
  begin(&x);
  T_CHECK(report_load_all(x.d, NULL, x.a, &all, &n, &x.e) == 0 && n == 1);
  T_CHECK(report_csv(x.d, all, n, REPORT_CELLS, x.a, &b, &x.e) == 0);
  T_CHECK(lines_of(b.p) == 7);
  T_HAS(b.p, "cell,label,loss,sn,excluded,same_as,runs,done,diverged,failed,pruned,unfinished,fid.n,fid.mean,fid.sd,fid.lo,fid.hi,fid.change,fid.change_lo,fid.change_hi,fid.change_n,fid.unit,fid.rank\n");
  T_HAS(b.p, "\n5,loss=wgan sn=on,wgan,on,,,3,2,1,0,0,0,2,28.5,"); /* diverged 1 of 3 */
  T_HAS(b.p, "\n4,loss=wgan sn=off,wgan,off,nothing bounds the critic,,0,0,0,0,0,0,0,,,,,,,,,percent,\n");
  const stat_effect *e = &x.m.cells[2].against_base;
  T_HAS(b.p, commas(&x, 100 * expm1(e->mean)));
  T_HAS(b.p, ",3,percent,behind\n"); /* a difference and its number of pairs */
  b.n = 0;
  T_CHECK(report_csv(x.d, all, n, REPORT_EFFECTS, x.a, &b, &x.e) == 0);
  T_CHECK(lines_of(b.p) == 4);
  T_HAS(b.p, "\nsn,off,on,fid,");
  T_HAS(b.p, arena_fmt(x.a, "%spercent,2,%u,4,2,", commas(&x, 100 * expm1(x.m.contrasts[2].e.hi)), x.m.contrasts[2].e.seeds));
  b.n = 0;
  T_CHECK(report_csv(x.d, all, n, REPORT_PAIRS, x.a, &b, &x.e) == 0);
  T_CHECK(lines_of(b.p) == 1 + x.m.contrasts[0].e.pairs + x.m.contrasts[1].e.pairs + x.m.contrasts[2].e.pairs);
  T_HAS(b.p, arena_fmt(x.a, "\nsn,off,on,0,0,1,1,fid,40,38%spercent\n", commas(&x, 100 * expm1(log(38) - log(40)))));
  b.n = 0;
  T_CHECK(report_csv(x.d, all, n, REPORT_CURVES, x.a, &b, &x.e) == 0);
  T_HAS(b.p, "\n0,loss=ns sn=off,ns,off,1,fid,ema,100,6400,2,40\n");
  T_HAS(b.p, "\n0,loss=ns sn=off,ns,off,1,loss_d,,50,3200,1,\n"); /* NaN is an empty field */
  buf_free(&b);
  end(&x);
}

static void test_formats__every_metric_is_a_model(void) {
  w x;
  report_model *all;
  uint32_t n;
  buf b = {0};
  db_run r;
  begin(&x);
  for (int k = 0; k < 4; k++) {
    char key[20];
    snprintf(key, sizeof key, "key-%d-%d", k / 2, k % 2 + 1);
    T_CHECK(db_find_run(x.d, key, x.a, &r, &x.e) == 0);
    db_record(x.d, r.id, &(rec){.type = REC_EVAL, .step = 100, .u.eval = {.metric = "fid.recall", .protocol = "p", .weights = "raw", .value = 0.25 + k * k, .n_fake = 0, .ms = 1, .better = 1}}, &x.e);
  }
  T_CHECK(db_commit(x.d, &x.e) == 0);
  T_CHECK(report_load_all(x.d, NULL, x.a, &all, &n, &x.e) == 0 && n == 2);
  T_STR(all[0].metric, "fid");
  T_STR(all[1].metric, "fid.recall");
  T_CHECK(all[1].higher && !all[1].log_scale && all[1].best == 1); /* the goal is the metric's own */
  T_CHECK(report_csv(x.d, all, n, REPORT_CELLS, x.a, &b, &x.e) == 0);
  T_HAS(b.p, ",fid.recall.n,fid.recall.mean,");
  T_HAS(b.p, ",2,6.75,"); /* (4.25 + 9.25) / 2 */
  b.n = 0;
  report_json(all, n, x.a, &b);
  T_HAS(b.p, "\"values\": {\"fid\": 40, \"fid.recall\": 0.25}");
  buf_free(&b);
  end(&x);
}

static void test_formats__csv_survives_any_label(void) {
  w x;
  buf b = {0};
  begin(&x);
  hostile(&x);
  T_CHECK(report_csv(x.d, &x.m, 1, REPORT_CELLS, x.a, &b, &x.e) == 0);
  T_HAS(b.p, "\n0,\"loss=[x], \"\"q\"\"\nline sn=off\",\"[x], \"\"q\"\"\nline\",off,,,3,3,");
  x.m.factors[0].name = "label"; /* a column of the table has that name */
  b.n = 0;
  T_CHECK(report_csv(x.d, &x.m, 1, REPORT_CELLS, x.a, &b, &x.e) == 0);
  T_HAS(b.p, "cell,label,factor_label,sn,");
  b.n = 0;
  report_text(&x.m, x.a, &b);
  T_HAS(b.p, "loss=[x], \"q\" line sn=off");
  buf_free(&b);
  end(&x);
}

static void test_formats__json_is_the_same_twice(void) {
  w x;
  buf b = {0}, again = {0};
  begin(&x);
  report_json(&x.m, 1, x.a, &b);
  report_json(&x.m, 1, x.a, &again);
  T_CHECK(b.n == again.n && !memcmp(b.p, again.p, b.n));
  T_HAS(b.p, "{\"grid\": \"t\", \"question\": \"Which \\u003closs>?\", \"judge\": \"fid\", \"baseline\": 0, \"verdict\": [\n  \"Best: ");
  T_HAS(b.p, "{\"cell\": 5, \"label\": \"loss=wgan sn=on\", \"levels\": {\"loss\": \"wgan\", \"sn\": \"on\"}, \"excluded\": null, \"same_as\": null, \"runs\": 3, \"done\": 2, \"diverged\": 1,");
  T_HAS(b.p, "{\"cell\": 5, \"n\": 2, \"mean\": 28.5,");
  T_HAS(b.p, "\"status\": \"diverged\"");
  T_HAS(b.p, "\"values\": {\"fid\": null}");
  T_CHECK(!strstr(b.p, ": nan"));
  buf_free(&b);
  buf_free(&again);
  end(&x);
}

static void test_formats__latex_escapes_and_marks(void) {
  w x;
  buf b = {0};
  begin(&x);
  hostile(&x);
  x.m.question = "two\n\nlines \\end{document}";
  report_latex(&x.m, 1, x.a, &b);
  T_HAS(b.p, "% t: two  lines \\end{document}\n"); /* a comment stays in its line */
  T_HAS(b.p, "\\begin{tabular}{llrrr}\n\\toprule\n{loss} & {sn} & {fid} $\\downarrow$ & against baseline & diverged \\\\\n\\midrule\n");
  T_HAS(b.p, "\n{[x], \\textquotedbl{}q\\textquotedbl{} line} & {off} & $41 \\pm 1$ & baseline & 0/3 \\\\\n"); /* not an argument of the row before */
  T_HAS(b.p, "\n{a\\_b \\& 100\\% \\$1 \\#2 \\{c\\} \\textasciitilde{} \\textasciicircum{} \\textbackslash{} -{}- \\textless{}z\\textgreater{}} & {on} & $\\mathbf{28.5 \\pm 0.71}$ & $-29.6\\,\\%$ $[");
  T_HAS(b.p, "& 1/3 \\\\\n\\bottomrule\n\\end{tabular}\n");
  T_HAS(b.p, "{hinge} & {on} & $33^{\\approx}$"); /* one run; cannot be told apart */
  T_CHECK(!strstr(b.p, "excluded") && !strstr(b.p, ": nan"));
  buf_free(&b);
  end(&x);
}

T_MAIN(T(test_formats__csv_has_the_numbers_of_the_model), T(test_formats__every_metric_is_a_model), T(test_formats__csv_survives_any_label), T(test_formats__json_is_the_same_twice), T(test_formats__latex_escapes_and_marks))
