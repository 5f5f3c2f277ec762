/* Reports of a grid whose numbers are known: the model, the sentences, the files. */
#include "loaded.h"

#include <sys/stat.h>

#include "base/files.h"
#include "base/image.h"
#include "report/outlook.h"
#include "report/svg.h"

static void test_report__model(void) {
  w x;
  begin(&x);
  const report_model *m = &x.m;
  T_CHECK(m->n_cells == 6 && m->n_seeds == 3 && !m->higher && m->log_scale && m->base == 0 && m->best == 5);
  T_NEAR(m->cells[5].stat.mean, 28.5, 1e-12); /* the diverged run is not in the mean */
  T_CHECK(m->cells[5].diverged == 1 && m->cells[3].failed == 1 && m->cells[3].unfinished == 1 && m->cells[4].excluded);
  T_CHECK(!m->cells[0].close_to_best && m->cells[3].close_to_best); /* one common seed: no distinction */
  T_NEAR(m->cells[2].against_base.mean, (log(35.0 / 40) + log(36.0 / 41) + log(37.0 / 42)) / 3, 1e-12);
  T_CHECK(m->n_contrasts == 3);
  T_STR(m->contrasts[2].factor, "sn");
  T_CHECK(m->contrasts[2].e.contexts == 2 && m->contrasts[2].e.pairs == 4 && m->contrasts[2].e.dropped == 2);
  T_CHECK(m->contrasts[2].e.share_less == 1);
  T_NEAR(m->contrasts[0].p_holm, fmin(1, 3 * 0.25), 1e-12);
  T_CHECK(report_load(x.d, "nope", x.a, &x.m, &x.e) == GANTRY_E_CONFIG);
  T_HAS(x.e.msg, "no grid \"nope\" in the database; it has t");
  end(&x);
}

static void test_report__text(void) {
  w x;
  begin(&x);
  buf b = {0};
  report_text(&x.m, x.a, &b);
  T_HAS(b.p, "t: fid, lower is better, last value, ema weights");
  T_HAS(b.p, "*  loss=wgan sn=on ");
  T_HAS(b.p, "~  loss=hinge sn=on ");
  T_HAS(b.p, "Best: loss=wgan sn=on with fid 28.5 ± 0.71 over 2 seeds.");
  T_HAS(b.p, "sn: on instead of off changes fid by -5.3 % [");
  T_HAS(b.p, "1 run diverged. Means leave them out");
  T_HAS(b.p, "1 run failed and is missing");
  T_HAS(b.p, "1 run is not finished");
  buf_free(&b);
  end(&x);
}

static void test_report__html_is_whole_and_the_same_twice(void) {
  w x;
  begin(&x);
  uint8_t px[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  image im = {.w = 2, .h = 2, .c = 3, .px = px};
  T_CHECK(dir_make(path_join(x.a, x.out, "runs/t/000/s1/samples"), &x.e) == 0);
  T_CHECK(png_write(path_join(x.a, x.out, "runs/t/000/s1/samples/00000100.png"), &im, &x.e) == 0);
  buf b = {0}, again = {0};
  T_CHECK(report_html(x.d, &x.m, x.out, x.a, &b, &x.e) == 0);
  T_STR(x.e.msg, "");
  T_CHECK(report_html(x.d, &x.m, x.out, x.a, &again, &x.e) == 0);
  T_CHECK(b.n == again.n && !memcmp(b.p, again.p, b.n));
  T_HAS(b.p, "Which &lt;loss&gt;?"); /* escaped */
  T_HAS(b.p, "<tr class=\"best\"><td>loss=wgan sn=on</td>");
  T_HAS(b.p, "excluded: nothing bounds the critic");
  T_HAS(b.p, "loss: ns → wgan");
  T_HAS(b.p, "src=\"data:image/png;base64,iVBORw0KGgo");
  T_HAS(b.p, "SIGSEGV");
  T_HAS(b.p, "\"status\":\"diverged\",\"value\":null");
  T_CHECK(!strstr(b.p, "http://") && !strstr(b.p, "https://") && !strstr(b.p, "<script src") && !strstr(b.p, "<link")); /* nothing from outside */
  T_CHECK(!strstr(b.p, "nan") && !strstr(b.p, "inf\""));
  const char *open = b.p;
  int depth = 0;
  for (; (open = strchr(open, '<')); open++) depth += !strncmp(open, "<svg", 4) - !strncmp(open, "</svg", 5) + !strncmp(open, "<table", 6) - !strncmp(open, "</table", 7) + !strncmp(open, "<div", 4) - !strncmp(open, "</div", 5);
  T_CHECK(depth == 0);
  buf_free(&b);
  buf_free(&again);
  end(&x);
}

static void test_report__markdown(void) {
  w x;
  begin(&x);
  buf b = {0};
  T_CHECK(report_markdown(x.d, &x.m, x.a, &b, &x.e) == 0);
  T_HAS(b.p, "| **loss=wgan sn=on** | 2 | 28.5 ± 0.71 |");
  T_HAS(b.p, "| loss=hinge sn=on | 2 | failed | the process was ended by SIGSEGV |");
  T_HAS(b.p, "| sn | off → on | -5.3 % |");
  buf_free(&b);
  end(&x);
}

static void test_report__svg_survives_any_numbers(void) {
  double x[] = {0, 1, 2, 3}, y[] = {NAN, 1e300, -1e300, INFINITY}, one[] = {5}, none[] = {NAN};
  svg_series s[] = {{.label = "<a>", .n = 4, .x = x, .y = y}, {.label = "b", .color = 1, .n = 1, .x = x, .y = one}, {.label = "c", .n = 1, .x = x, .y = none}};
  buf b = {0};
  svg_lines(&b, "t", "step", s, 3, 1);
  T_HAS(b.p, "&lt;a&gt;");
  b.n = 0;
  svg_lines(&b, "t", "step", s + 2, 1, 1);
  svg_lines(&b, "t", "step", s, 0, 0);
  svg_lines(&b, "t", "step", s + 1, 1, 1);
  T_CHECK(!strstr(b.p, "nan") && !strstr(b.p, "inf"));
  svg_interval v = {"l", "t", 1, NAN, NAN};
  svg_intervals(&b, "x", &v, 1);
  T_CHECK(!strstr(b.p, "nan"));
  enum { N = 5000 };
  static double lx[N], ly[N];
  for (int k = 0; k < N; k++) lx[k] = k, ly[k] = k == 2345 ? 99 : sin(k);
  svg_series longer = {.label = "x", .n = N, .x = lx, .y = ly};
  b.n = 0;
  svg_lines(&b, "t", "step", &longer, 1, 0);
  T_CHECK(b.n < 12000);
  T_HAS(b.p, "L328.6 28.0"); /* the one spike is still there */
  buf_free(&b);
}

/* A grid of one factor with two levels: value[level][seed] is a share of 2000 samples (NaN allowed), loss[level] what both log. Before the judged rows there are those of a smoke test with 256 samples. */
static void small(w *x, const double (*value)[4], uint32_t seeds, const double loss[2]) {
  uint32_t lost;
  memset(x, 0, sizeof *x);
  x->a = arena_new();
  strcpy(x->out, "/tmp/gantry-test-XXXXXX");
  T_CHECK(mkdtemp(x->out) != NULL);
  T_CHECK(db_open(x->out, &x->d, &lost, &x->e) == 0);
  db_level l[] = {{"off", "false"}, {"on", "true"}};
  db_factor f[] = {{"pl", "regularizers.pl.on", l, 2, 0}};
  const int32_t lv[2][1] = {{0}, {1}};
  db_cell c[2];
  char json[2][120], dir[64], key[64];
  for (int k = 0; k < 2; k++) {
    snprintf(json[k], sizeof json[k], "{\"metrics\":{\"cov\":{\"fake\":2000}},\"pl\":%d}", k);
    c[k] = (db_cell){.label = k ? "pl=on" : "pl=off", .config_json = json[k], .level = lv[k], .same_as = -1};
  }
  db_grid g = {.name = "s", .question = "", .spec_json = "{}", .judge_metric = "cov.high_quality", .judge_weights = "raw", .judge_reduce = "last", .better = 1, .factors = f, .n_factors = 1, .cells = c, .n_cells = 2};
  int64_t grid;
  T_CHECK(db_put_grid(x->d, &g, &grid, &x->e) == 0);
  for (int k = 0; k < 2; k++)
    for (uint32_t s = 0; s < seeds; s++) {
      db_run r;
      snprintf(key, sizeof key, "key-%d-%u", k, s);
      snprintf(dir, sizeof dir, "runs/s/%d/s%u", k, s);
      T_CHECK(db_new_run(x->d, key, json[k], s + 1, dir, x->a, &r, &x->e) == 0);
      T_CHECK(db_link_run(x->d, grid, k, s + 1, r.id, &x->e) == 0);
      T_CHECK(db_run_start(x->d, r.id, getpid(), 100, 0, &x->e) == 0);
      db_record(x->d, r.id, &(rec){.type = REC_HELLO, .u.hello = {.resumed_from = -1, .total_steps = 100}}, &x->e);
      db_record(x->d, r.id, &(rec){.type = REC_SCALAR, .step = 10, .u.scalar = {.name = "loss_d", .value = loss[k] + s}}, &x->e);
      db_record(x->d, r.id, &(rec){.type = REC_SCALAR, .step = 10, .u.scalar = {.name = "steps_per_second", .value = 100.0 * k + 3.0 * s}}, &x->e);
      for (int full = 0; full < 2; full++) {
        const char *protocol = full ? "cov fake=2000" : "cov fake=256";
        const struct { const char *weights; int step; double value; } row[] = {{"real", 0, full ? 0.9 : 0.5}, {"raw", 0, full ? 0.1 : 0.2}, {"raw", full ? 100 : 10, full ? value[k][s] : 0.75}};
        for (int i = full && s == 1; i < 3; i++) /* one run never measured held-out images by the new protocol */
          db_record(x->d, r.id, &(rec){.type = REC_EVAL, .step = row[i].step, .u.eval = {.metric = "cov.high_quality", .protocol = protocol, .weights = row[i].weights, .value = row[i].value, .n_fake = full ? 2000 : 256, .ms = 1, .better = 1}}, &x->e);
      }
      T_CHECK(db_run_end(x->d, r.id, &(db_end){.status = "done", .eval_key = "e"}, &x->e) == 0);
    }
  T_CHECK(db_commit(x->d, &x->e) == 0);
  T_CHECK(report_load(x->d, NULL, x->a, &x->m, &x->e) == 0);
  T_STR(x->e.msg, "");
}
static const char *said(w *x) {
  buf b = {0};
  report_text(&x->m, x->a, &b);
  const char *text = arena_str(x->a, b.p);
  buf_free(&b);
  return text;
}

/* Two counts that differ by the same number in both pairs say nothing of a third; nor do two that differ a little less alike. Three do. */
static void test_report__two_pairs_of_counts_claim_nothing(void) {
  static const double equal[2][4] = {{0.0030, 0.0035}, {0.0050, 0.0055}}, near[2][4] = {{0.0030, 0.0035}, {0.0530, 0.0540}}, three[2][4] = {{0.0030, 0.0035, 0.0040}, {0.0530, 0.0540, 0.0540}};
  static const double loss[2] = {1, 2};
  w x;
  small(&x, equal, 2, loss);
  T_HAS(said(&x), "pl: on instead of off changes cov.high_quality by +0.002 (too few pairs): too few pairs to tell (2 pairs in 1 context).");
  T_HAS(said(&x), "~  pl=off");
  end(&x);
  small(&x, near, 2, loss);
  T_HAS(said(&x), "by +0.0502 (too few pairs): too few pairs to tell");
  end(&x);
  small(&x, three, 3, loss);
  T_HAS(said(&x), "by +0.0502 [+0.0494, +0.0509]: better (3 pairs in 1 context).");
  end(&x);
}

/* A level that trained the very same runs is told; equal counts of runs that differ are not the same runs. */
static void test_report__a_level_that_changed_nothing(void) {
  static const double value[2][4] = {{0.25, 0.5}, {0.25, 0.5}}, same[2] = {1, 1}, other[2] = {1, 1.5};
  w x;
  small(&x, value, 2, same);
  T_HAS(said(&x), "pl: on instead of off is identical in every run: this setting changed nothing (2 pairs).");
  end(&x);
  small(&x, value, 2, other);
  T_CHECK(!strstr(said(&x), "changed nothing"));
  T_HAS(said(&x), "by +0 (too few pairs): too few pairs to tell");
  end(&x);
}

/* How far seeds spread is read from the values that are judged: with "auto" those of averaged weights where there are such. */
static void test_report__the_spread_is_of_the_judged_values(void) {
  w x;
  double raw, ema, automatic;
  int64_t df;
  begin(&x);
  T_CHECK(outlook_spread(x.d, "t", "fid", "raw", 1, &raw, &df, &x.e) == 0 && df == 7);
  T_CHECK(outlook_spread(x.d, "t", "fid", "ema", 1, &ema, &df, &x.e) == 0 && df == 7);
  T_CHECK(outlook_spread(x.d, "t", "fid", "auto", 1, &automatic, &df, &x.e) == 0 && df == 7);
  T_CHECK(ema > raw * 1.01 && automatic == ema); /* the same steps from smaller values */
  end(&x);
}

/* Where some cells average their weights and others do not, the curves have every cell, each by what it is judged by. */
static void test_report__curves_have_every_cell(void) {
  static const double value[2][4] = {{0.25, 0.5}, {0.25, 0.75}}, loss[2] = {1, 2};
  w x;
  db_run r;
  buf b = {0};
  small(&x, value, 2, loss);
  for (int s = 0; s < 2; s++) {
    T_CHECK(db_find_run(x.d, s ? "key-1-1" : "key-1-0", x.a, &r, &x.e) == 0);
    for (int step = 0; step <= 100; step += 50)
      db_record(x.d, r.id, &(rec){.type = REC_EVAL, .step = step, .u.eval = {.metric = "cov.high_quality", .protocol = "cov fake=2000", .weights = "ema", .value = 0.5, .n_fake = 2000, .ms = 1, .better = 1}}, &x.e);
  }
  T_CHECK(db_commit(x.d, &x.e) == 0);
  x.m.weights = "auto";
  T_CHECK(report_html(x.d, &x.m, x.out, x.a, &b, &x.e) == 0);
  const char *from = strstr(b.p, "<h2>Curves"), *to = from ? strstr(from, "loss_d") : NULL, *off = from ? strstr(from, "pl=off") : NULL;
  T_CHECK(to && off && off < to);
  buf_free(&b);
  end(&x);
}

static void test_report__nan_is_told(void) {
  static const double all[2][4] = {{NAN, NAN}, {NAN, NAN}}, one[2][4] = {{0.25, 0.5}, {NAN, 0.75}}, loss[2] = {1, 2};
  w x;
  small(&x, all, 2, loss);
  T_HAS(said(&x), "cov.high_quality was NaN in 4 of 4 finished runs.");
  T_CHECK(!strstr(said(&x), "No run has a value"));
  end(&x);
  small(&x, one, 2, loss);
  T_HAS(said(&x), "note: cov.high_quality was NaN in 1 of 4 finished runs: they are missing from every number here.");
  end(&x);
}

/* Rows of a smoke test (256 samples) are beside those that are judged (2000): only the latter count. */
static void test_report__references_are_of_the_judged_protocol(void) {
  static const double value[2][4] = {{0.25, 0.5}, {0.25, 0.75}}, loss[2] = {1, 2};
  w x;
  small(&x, value, 2, loss);
  T_HAS(said(&x), "Untrained generators: cov.high_quality 0.1. Held-out real images: 0.9.");
  T_NEAR(x.m.cells[1].stat.mean, 0.5, 1e-12);
  end(&x);
}

T_MAIN(T(test_report__curves_have_every_cell), T(test_report__the_spread_is_of_the_judged_values), T(test_report__two_pairs_of_counts_claim_nothing), T(test_report__a_level_that_changed_nothing), T(test_report__nan_is_told), T(test_report__references_are_of_the_judged_protocol), T(test_report__model), T(test_report__text), T(test_report__html_is_whole_and_the_same_twice), T(test_report__markdown), T(test_report__svg_survives_any_numbers))
