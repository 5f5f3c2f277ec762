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

/* Latents of rows x cols samples: each row from a to b along cos(t) a + sin(t) b, t = 0 .. pi/2, which keeps a normal z normal. */
static ir_id row_latents(abi_builder *b, int64_t rows, int64_t cols) {
  gantry_ctx *cx = &b->cx;
  static const int64_t first_and_rest[] = {0, 2, 3, 4, 5, 6, 7}, second[] = {1};
  int64_t d[GANTRY_MAX_RANK], wide[GANTRY_MAX_RANK];
  gantry_t from = abi_t(abi_draw_input(b, GANTRY_G, "z", rows)), to = abi_t(abi_draw_input(b, GANTRY_G, "z", rows));
  uint32_t r = gan_shape(cx, from, d);
  if (!r || r >= GANTRY_MAX_RANK) return 0;
  wide[0] = rows;
  wide[1] = cols;
  for (uint32_t k = 1; k < r; k++) wide[k + 1] = d[k];
  gantry_t t = gan_mul_k(cx, gan_iota(cx, GANTRY_F32, 1, &cols, 0), cols > 1 ? 1.5707963267948966 / (double)(cols - 1) : 0);
  gantry_t x = gan_add(cx, gan_mul(cx, gan_broadcast(cx, from, r + 1, wide, first_and_rest), gan_broadcast(cx, gan_cos(cx, t), r + 1, wide, second)),
                       gan_mul(cx, gan_broadcast(cx, to, r + 1, wide, first_and_rest), gan_broadcast(cx, gan_sin(cx, t), r + 1, wide, second)));
  d[0] = rows * cols;
  return gan_reshape(cx, x, r, d).id;
}

static exec_program *grid_program(eval_context *c, const char *name, uint32_t weights, int64_t rows, int64_t cols, int interpolate, err *e) {
  exec_program *p = eval_cached_program(c, name);
  if (p) return p;
  abi_builder *b = abi_builder_new(c->world, name);
  /* The stream's name leaves out size and weights: raw and averaged G, and any larger grid, begin with the same latents. */
  b->program = interpolate ? "interpolate" : "sample";
  ir_id z = interpolate ? row_latents(b, rows, cols) : abi_draw_input(b, GANTRY_G, "z", rows * cols);
  gantry_named in = {"z", abi_t(z), 0};
  gantry_call g = z ? abi_apply(b, GANTRY_G, &in, 1, GANTRY_EVAL | GANTRY_NO_STATE_UPDATE | weights) : (gantry_call){0};
  gantry_t x = abi_t(abi_out(b, g, "image"));
  if (x.id) ir_output(b->g, "images", c->train->info.dtype == GANTRY_U8 ? gan_cast(&b->cx, levels(b, x, c->train), GANTRY_U8).id : x.id);
  b->program = name;
  return eval_compile(c, b, e);
}

/* Bounds of a picture: about 700 pixels high, whole enlargement factors. */
static int64_t zoom_for(int64_t rows, int64_t h) {
  int64_t z = 700 / (rows * (h + 2));
  return z < 1 ? 1 : z > 8 ? 8 : z;
}

static gantry_status write_images(eval_context *c, const char *tensor, int64_t rows, int64_t cols, const char *path, err *e) {
  const exec_tensor *t = exec_tensor_get(c->session, tensor);
  void *px = mem_alloc((size_t)t->bytes);
  image im = {0};
  gantry_status st = exec_read(c->session, tensor, px, t->bytes, e);
  if (!st && t->rank == 4 && t->dtype == GANTRY_U8 && (t->dims[3] == 1 || t->dims[3] == 3))
    im = image_grid(px, rows, cols, t->dims[1], t->dims[2], t->dims[3], 2, zoom_for(rows, t->dims[1]));
  else if (!st && t->rank == 2 && t->dims[1] == 2)
    im = eval_scatter(c->train->bytes, c->train->count < 2000 ? c->train->count : 2000, px, t->dims[0], 512);
  else if (!st)
    st = err_set(e, GANTRY_E_UNSUPPORTED, "samples of this shape cannot be drawn: only gray and RGB images and points in the plane");
  if (!st) st = png_write(path, &im, e);
  image_free(&im);
  free(px);
  return st;
}

gantry_status eval_grid(eval_context *c, uint32_t weights, int64_t rows, int64_t cols, int interpolate, const char *path, err *e) {
  if (c->train->info.rank == 1 && !interpolate) rows = 32, cols = 32; /* points: many small things instead of few large ones */
  const char *name = arena_fmt(c->mem, "%s.%s.%lldx%lld", interpolate ? "interpolate" : "sample", weights ? "ema" : "raw", (long long)rows, (long long)cols);
  exec_program *p = grid_program(c, name, weights, rows, cols, interpolate, e);
  if (!p) return err_wrap(e, "samples");
  TRY(exec_run(c->session, &p, 1, e));
  gantry_status st = write_images(c, arena_fmt(c->mem, "out/%s/images", name), rows, cols, path, e);
  return st ? err_wrap(e, "samples") : GANTRY_OK;
}
