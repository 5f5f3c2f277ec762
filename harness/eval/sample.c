/* sample.c - sample grids and interpolations; compiled programs of an evaluation context. See eval.h. */
#include <gantry/nn/random.h>
#include <stdlib.h>

#include "eval/eval.h"
#include "exec/inputs.h"
#include "ir/build.h"

void eval_init(eval_context *c, abi_world *w, exec_session *s, abi_registry *reg, const abi_element *data_el, const data_set *train, const double *range, uint64_t seed) {
  *c = (eval_context){.world = w, .session = s, .registry = reg, .data_el = data_el, .train = train, .range = range, .seed = seed, .mem = arena_new()};
}

void eval_free(eval_context *c) {
  for (uint32_t k = 0; k < c->sets.n; k++)
    data_close(c->sets.p[k].data);
  free(c->sets.p);
  free(c->programs.p);
  arena_free(c->mem);
  *c = (eval_context){0};
}

exec_program *eval_cached_program(const eval_context *c, const char *name) {
  for (uint32_t k = 0; k < c->programs.n; k++)
    if (!strcmp(c->programs.p[k].name, name)) return c->programs.p[k].exe;
  return NULL;
}

exec_program *eval_compile(eval_context *c, abi_builder *b, err *e) {
  exec_program *p = NULL;
  if (!abi_builder_status(b, e) && !exec_upload_inputs(c->session, c->world, c->seed, e)) p = exec_compile(c->session, b->g, b->program, e);
  if (p) VEC_PUSH(c->programs, ((eval_cached){arena_str(c->mem, b->program), p, ir_hash(b->g)}));
  abi_builder_free(b);
  return p;
}

static gantry_t levels(abi_builder *b, gantry_t x, const data_set *d) {
  gantry_ctx *cx = &b->cx;
  gantry_t v = gan_floor(cx, gan_add_k(cx, gan_mul_k(cx, gan_add_k(cx, x, -d->lo), 255.0 / (d->hi - d->lo)), 0.5));
  return gan_max(cx, gan_const(cx, 0), gan_min(cx, gan_const(cx, 255), v));
}

gantry_t eval_quantize(abi_builder *b, gantry_t x, const data_set *d) {
  if (d->info.dtype != GANTRY_U8) return x;
  return gan_add_k(&b->cx, gan_mul_k(&b->cx, levels(b, x, d), (d->hi - d->lo) / 255.0), d->lo);
}

static const int64_t first_and_rest[] = {0, 2, 3, 4, 5, 6, 7}, second_and_rest[] = {1, 2, 3, 4, 5, 6, 7};

/* [rows] or [rows,..] or [cols,..] as [rows,cols,..] of z's shape. */
static gantry_t spread(gantry_ctx *cx, gantry_t x, gantry_t z, int64_t rows, int64_t cols, const int64_t *axes) {
  int64_t d[GANTRY_MAX_RANK], wide[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, z, d);
  wide[0] = rows;
  wide[1] = cols;
  for (uint32_t k = 1; k < r; k++) wide[k + 1] = d[k];
  return gan_broadcast(cx, x, r + 1, wide, axes);
}

/* Weights of both ends at cols places, [rows,cols]: slerp's sin((1-t) w) / sin w and sin(t w) / sin w, w the angle between the ends; linear
 * where they lie on one line through 0, and for uniform latents. */
static void path_weights(gantry_ctx *cx, gantry_t from, gantry_t to, int64_t rows, int64_t cols, int linear, gantry_t out[2]) {
  static const int64_t row[] = {0}, col[] = {1};
  int64_t d[2] = {rows, cols};
  gantry_t t = gan_broadcast(cx, gan_mul_k(cx, gan_iota(cx, GANTRY_F32, 1, &cols, 0), cols > 1 ? 1.0 / (double)(cols - 1) : 0), 2, d, col), rest = gan_add_k(cx, gan_neg(cx, t), 1);
  out[0] = rest;
  out[1] = t;
  if (linear) return;
  gantry_t a = gan_flatten(cx, from), b = gan_flatten(cx, to), length = gan_sqrt(cx, gan_mul(cx, gan_row_sum(cx, gan_square(cx, a)), gan_row_sum(cx, gan_square(cx, b))));
  gantry_t cosine = gan_div(cx, gan_row_sum(cx, gan_mul(cx, a, b)), gan_max(cx, length, gan_const(cx, 1e-30)));
  cosine = gan_max(cx, gan_const(cx, -1), gan_min(cx, gan_const(cx, 1), cosine));
  gantry_t sine = gan_sqrt(cx, gan_mul(cx, gan_add_k(cx, cosine, 1), gan_add_k(cx, gan_neg(cx, cosine), 1)));
  gantry_t angle = gan_broadcast(cx, gan_atan2(cx, sine, cosine), 2, d, row), s = gan_broadcast(cx, sine, 2, d, row), round = gan_gt(cx, s, gan_const(cx, 1e-4)), safe = gan_where(cx, round, s, gan_const(cx, 1));
  for (int k = 0; k < 2; k++) out[k] = gan_where(cx, round, gan_div(cx, gan_sin(cx, gan_mul(cx, k ? t : rest, angle)), safe), out[k]);
}

static ir_id path_latents(abi_builder *b, int64_t rows, int64_t cols) {
  static const int64_t both[] = {0, 1};
  gantry_ctx *cx = &b->cx;
  int64_t d[GANTRY_MAX_RANK];
  gantry_t from = abi_t(abi_draw_input(b, GANTRY_G, "z", rows)), to = abi_t(abi_draw_input(b, GANTRY_G, "z", rows)), w[2];
  uint32_t r = gan_shape(cx, from, d);
  if (!r || r >= GANTRY_MAX_RANK) return 0;
  path_weights(cx, from, to, rows, cols, abi_draws_uniform(b, GANTRY_G, "z"), w);
  gantry_t x = gan_add(cx, gan_mul(cx, spread(cx, from, from, rows, cols, first_and_rest), spread(cx, w[0], from, rows, cols, both)),
                       gan_mul(cx, spread(cx, to, from, rows, cols, first_and_rest), spread(cx, w[1], from, rows, cols, both)));
  d[0] = rows * cols;
  return gan_reshape(cx, x, r, d).id;
}

/* The same latents in every row. */
static ir_id class_latents(abi_builder *b, int64_t rows, int64_t cols) {
  gantry_ctx *cx = &b->cx;
  int64_t d[GANTRY_MAX_RANK];
  gantry_t z = abi_t(abi_draw_input(b, GANTRY_G, "z", cols));
  uint32_t r = gan_shape(cx, z, d);
  if (!r || r >= GANTRY_MAX_RANK) return 0;
  z = spread(cx, z, z, rows, cols, second_and_rest);
  d[0] = rows * cols;
  return gan_reshape(cx, z, r, d).id;
}

gantry_t eval_class_of(gantry_ctx *cx, gantry_t index, int64_t classes) { return gan_cast(cx, gan_mod(cx, index, gan_full_as(cx, GANTRY_I64, 0, NULL, (double)classes)), GANTRY_I32); }

/* The taps w and w_avg of an application. */
static int taps_of_w(const eval_context *c, abi_builder *b, gantry_call g, const char *what, gantry_t *w, gantry_t *average) {
  if (g.id && (!abi_has_tap(b, g, "w") || !abi_has_tap(b, g, "w_avg")))
    err_set(&b->err, GANTRY_E_CONFIG, "%s, and %s has no taps w and w_avg", what, abi_world_net(c->world, GANTRY_G)->arch.plugin->name);
  *w = abi_t(abi_out(b, g, "w"));
  *average = abi_t(abi_out(b, g, "w_avg"));
  return w->id && average->id;
}

/* Every picture's w, [rows,cols,layers,w], of those of rows and columns; c->mix layers from the row: see eval_grid. */
static gantry_t mixed(gantry_ctx *cx, int64_t first, gantry_t of_row, gantry_t of_col, gantry_t average, int64_t rows, int64_t cols) {
  static const int64_t axis[3][1] = {{0}, {1}, {2}}, row[] = {0, 2, 3}, col[] = {1, 2, 3}, last[] = {3};
  int64_t d[4] = {rows, cols, gan_dim(cx, of_row, 1), gan_dim(cx, of_row, 2)};
  gantry_t at[3];
  for (int k = 0; k < 3; k++) at[k] = gan_broadcast(cx, gan_iota(cx, GANTRY_F32, 1, &d[k], 0), 4, d, axis[k]);
  gantry_t in_col = gan_eq(cx, at[1], gan_const(cx, 0)), in_row = gan_eq(cx, at[0], gan_const(cx, 0));
  gantry_t takes_row = gan_and(cx, gan_or(cx, gan_lt(cx, at[2], gan_const(cx, (double)first)), in_col), gan_not(cx, in_row));
  gantry_t w = gan_where(cx, takes_row, gan_broadcast(cx, of_row, 4, d, row), gan_broadcast(cx, of_col, 4, d, col));
  return gan_where(cx, gan_and(cx, in_col, in_row), gan_broadcast(cx, average, 4, d, last), w);
}

/* Draws one z for each row and column, mixes their w and feeds them to G; in[1]: labels, where n is 2. */
static gantry_call apply_mixed(const eval_context *c, abi_builder *b, gantry_named *in, uint32_t n, uint32_t flags, int64_t rows, int64_t cols) {
  gantry_ctx *cx = &b->cx;
  gantry_t w, average;
  int64_t d[GANTRY_MAX_RANK];
  gantry_named source[2] = {{"z", abi_t(abi_draw_input(b, GANTRY_G, "z", rows + cols)), 0}, {"label", {0}, 0}};
  int64_t all = rows + cols;
  if (n == 2) source[1].t = eval_class_of(cx, gan_iota(cx, GANTRY_I64, 1, &all, 0), abi_world_net(c->world, GANTRY_G)->shape.classes);
  if (!taps_of_w(c, b, abi_apply(b, GANTRY_G, source, n, flags), "styles are mixed in w", &w, &average)) return (gantry_call){0};
  if (gan_shape(cx, w, d) != 3 || c->mix >= d[1]) {
    err_set(&b->err, GANTRY_E_CONFIG, "mix: this G has %lld layers with a style of their own: the first 1 to %lld can be taken from the row", (long long)d[1], (long long)d[1] - 1);
    return (gantry_call){0};
  }
  if (c->truncates_w) w = gan_add(cx, average, gan_mul_k(cx, gan_sub(cx, w, average), c->psi));
  w = mixed(cx, c->mix, gan_slice_axis(cx, w, 0, 0, rows, 1), gan_slice_axis(cx, w, 0, rows, all, 1), average, rows, cols);
  d[0] = rows * cols;
  in[0] = (gantry_named){"w", gan_reshape(cx, w, 3, d), 0};
  return abi_apply(b, GANTRY_G, in, n, flags);
}

/* G on z in in[0]; with psi its w is moved towards the average (the truncation trick in w: Karras et al. 2019, arXiv:1812.04948) and fed to it again. */
static gantry_call apply_g(const eval_context *c, abi_builder *b, gantry_named *in, uint32_t n, uint32_t flags) {
  gantry_ctx *cx = &b->cx;
  gantry_t w, average;
  gantry_call g = abi_apply(b, GANTRY_G, in, n, flags);
  if (!c->truncates_w) return g;
  if (!taps_of_w(c, b, g, "psi moves w towards its average", &w, &average)) return (gantry_call){0};
  in[0] = (gantry_named){"w", gan_add(cx, average, gan_mul_k(cx, gan_sub(cx, w, average), c->psi)), 0};
  return abi_apply(b, GANTRY_G, in, n, flags);
}

enum { FREE, CLASSES, PATHS, MIXED }; /* how a grid's latents hang together */

static exec_program *grid_program(eval_context *c, const char *name, uint32_t weights, int64_t rows, int64_t cols, int what, err *e) {
  exec_program *p = eval_cached_program(c, name);
  if (p) return p;
  abi_builder *b = abi_builder_new(c->world, name);
  gantry_ctx *cx = &b->cx;
  const abi_net *g_net = abi_world_net(c->world, GANTRY_G);
  /* The stream's name leaves out size and weights: raw and averaged G, and any larger grid, begin with the same latents. */
  b->program = what == PATHS ? "interpolate" : "sample";
  b->sampling = 1;
  b->truncate = c->truncate;
  b->truncate_clips = c->truncate_clips;
  int64_t n = rows * cols, per_class = what == FREE ? 1 : cols;
  ir_id z = what == MIXED ? 0 : what == PATHS ? path_latents(b, rows, cols) : what == CLASSES ? class_latents(b, rows, cols) : abi_draw_input(b, GANTRY_G, "z", n);
  gantry_named in[2] = {{"z", abi_t(z), 0}, {"label", {0}, 0}};
  if (g_net && g_net->uses_label) in[1].t = eval_class_of(cx, gan_div(cx, gan_iota(cx, GANTRY_I64, 1, &n, 0), gan_full_as(cx, GANTRY_I64, 0, NULL, (double)per_class)), g_net->shape.classes);
  uint32_t n_in = in[1].t.id ? 2 : 1, flags = GANTRY_EVAL | GANTRY_NO_STATE_UPDATE | weights;
  gantry_call g = what == MIXED ? apply_mixed(c, b, in, n_in, flags, rows, cols) : z ? apply_g(c, b, in, n_in, flags) : (gantry_call){0};
  gantry_t x = abi_t(abi_out(b, g, "image"));
  if (x.id) ir_output(b->g, "images", c->train->info.rank == 3 ? gan_cast(cx, levels(b, x, c->train), GANTRY_U8).id : x.id); /* what lies outside data.range is clipped to it */
  b->program = name;
  return eval_compile(c, b, e);
}

/* Bounds of a picture: about 700 pixels high, whole enlargement factors. */
static int64_t zoom_for(int64_t rows, int64_t h) {
  int64_t z = 700 / (rows * (h + 2));
  return z < 1 ? 1 : z > 8 ? 8 : z;
}

const char eval_undrawable[] = "samples of this shape cannot be drawn: only gray and RGB images and points in the plane can";

int eval_drawable(const data_set *d) { return d->info.rank == 3 ? d->info.dims[2] == 1 || d->info.dims[2] == 3 : d->info.dims[0] == 2; }

/* Real points for behind a scatter plot: the host's, or the device's where the host's are gone; *copy is to be freed. */
static gantry_status reference_points(eval_context *c, const float **points, void **copy, err *e) {
  const exec_tensor *t = exec_tensor_get(c->session, "data/train/samples");
  *points = c->train->bytes;
  *copy = NULL;
  if (*points) return GANTRY_OK;
  *points = *copy = mem_alloc((size_t)t->bytes);
  return exec_read(c->session, t->name, *copy, t->bytes, e);
}

static gantry_status write_images(eval_context *c, const char *tensor, int64_t rows, int64_t cols, const char *path, err *e) {
  const exec_tensor *t = exec_tensor_get(c->session, tensor);
  void *px = mem_alloc((size_t)t->bytes);
  const float *real = NULL;
  void *copy = NULL;
  image im = {0};
  gantry_status st = exec_read(c->session, tensor, px, t->bytes, e);
  if (!st && t->rank == 4)
    im = image_grid(px, rows, cols, t->dims[1], t->dims[2], t->dims[3], 2, zoom_for(rows, t->dims[1]));
  else if (!st && !(st = reference_points(c, &real, &copy, e)))
    im = eval_scatter(real, c->train->count < 2000 ? c->train->count : 2000, px, t->dims[0], 512);
  if (!st) st = png_write(path, &im, e);
  image_free(&im);
  free(copy);
  free(px);
  return st;
}

gantry_status eval_grid(eval_context *c, uint32_t weights, int64_t rows, int64_t cols, int interpolate, const char *path, err *e) {
  const abi_net *g = abi_world_net(c->world, GANTRY_G);
  if (!eval_drawable(c->train)) return err_set(e, GANTRY_E_UNSUPPORTED, "%s", eval_undrawable);
  int points = c->train->info.rank == 1, what = c->mix ? MIXED : interpolate ? PATHS : g && g->uses_label && !points ? CLASSES : FREE;
  if (points && !interpolate) rows = 32, cols = 32; /* many small things instead of few large ones */
  if (what == CLASSES && g->shape.classes <= 64) rows = g->shape.classes;
  const char *name = arena_fmt(c->mem, "%s.%s.%lldx%lld", what == MIXED ? "mix" : interpolate ? "interpolate" : "sample", weights ? "ema" : "raw", (long long)rows, (long long)cols);
  exec_program *p = grid_program(c, name, weights, rows, cols, what, e);
  if (!p) return err_wrap(e, "samples");
  TRY(exec_run(c->session, &p, 1, e));
  gantry_status st = write_images(c, arena_fmt(c->mem, "out/%s/images", name), rows, cols, path, e);
  return st ? err_wrap(e, "samples") : GANTRY_OK;
}
