/* join.c - the order of a program's actions, and maps that share a launch.
 *
 * First, maps that follow one another over the same points become one kernel, if what they hand on is each thread's own element: a chain that the host
 * had to cut for its length costs one launch.
 *
 * Then the order. An action waits for those before it that write what it touches or read what it writes; memory that the planner uses twice counts. Whatever
 * may go goes in the program's order, maps last: so they gather, an optimizer's update of every weight for one, and all that may go become one
 * launch, each with blocks of its own. Equal texts share a branch. No number changes by it: every element is computed as before. */
#include <stdlib.h>
#include <string.h>

#include "gpu.h"
#include "text.h"

static int meets(const gpu_place *a, const gpu_place *b) {
  if (a->space != b->space || a->base != b->base || !(a->written | b->written)) return 0;
  return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static int waits(const gpu_action *later, const gpu_action *earlier) {
  for (uint32_t i = 0; i < later->n_at; i++)
    for (uint32_t j = 0; j < earlier->n_at; j++)
      if (meets(&later->at[i], &earlier->at[j])) return 1;
  return 0;
}

static int by_text(const void *a, const void *b) { /* of equal texts, in the program's order */
  const gpu_action *const *x = a, *const *y = b;
  int c = strcmp((*x)->body, (*y)->body);
  return c ? c : (*x)->blocks != (*y)->blocks ? ((*x)->blocks < (*y)->blocks ? -1 : 1) : *x < *y ? -1 : *x > *y;
}

/* n maps as one: their text, their pointers one after another. */
static gantry_status together(const gpu_compile *c, gpu_action **list, uint32_t n, gpu_action *out) {
  cuda_text t = {0};
  int64_t blocks = 0;
  uint32_t first = 0;
  *out = (gpu_action){.step = list[0]->step};
  for (uint32_t k = 0; k < n; k++) {
    out->n_at += list[k]->n_at;
    if (list[k]->step < out->step) out->step = list[k]->step;
  }
  if (!(out->at = malloc((out->n_at + 1) * sizeof *out->at))) return gpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  qsort(list, n, sizeof *list, by_text);
  cuda_put(&t, "/* several maps in one launch */\nchar *const *const at_all = at;\nconst long long block_all = block;\n");
  for (uint32_t k = 0; k < n;) {
    uint32_t same = 1;
    while (k + same < n && !strcmp(list[k]->body, list[k + same]->body) && list[k]->blocks == list[k + same]->blocks) same++;
    int64_t each = list[k]->blocks;
    cuda_put(&t, "%sif (block_all < %lld) {\nconst long long which = (block_all - %lld) / %lld, block = (block_all - %lld) %% %lld;\nchar *const *const at = at_all + %u + which * %u;\n%s}\n", k ? "else " : "",
             (long long)(blocks + each * same), (long long)blocks, (long long)each, (long long)blocks, (long long)each, first, list[k]->n_at, list[k]->body);
    for (uint32_t j = 0; j < same; j++, k++) {
      memcpy(out->at + first, list[k]->at, list[k]->n_at * sizeof *out->at);
      first += list[k]->n_at;
    }
    blocks += each * same;
  }
  out->blocks = blocks;
  out->body = t.p;
  if (!t.failed) return GANTRY_OK;
  cuda_text_free(&t);
  out->body = NULL;
  return gpu_fail(c, GANTRY_E_NOMEM, "out of memory");
}

/* May b stand behind a in one kernel? Wherever they meet, a thread must meet itself alone. */
static int follows(const gpu_action *a, const gpu_action *b) {
  if (!a->map_points || a->map_points != b->map_points || a->by_four != b->by_four || a->n_at + b->n_at > GPU_MOST_AT / 4) return 0;
  for (uint32_t i = 0; i < a->n_at; i++)
    for (uint32_t j = 0; j < b->n_at; j++) {
      const gpu_place *p = &a->at[i], *q = &b->at[j];
      if (meets(p, q) && (!p->own || p->own != q->own || p->offset != q->offset)) return 0;
    }
  return 1;
}

static gantry_status append(const gpu_compile *c, gpu_action *a, gpu_action *b) {
  cuda_text t = {0};
  gpu_place *more = realloc(a->at, (a->n_at + b->n_at + 1) * sizeof *more);
  if (more) a->at = more;
  cuda_put(&t, "%s{\nchar *const *const at_first = at;\nchar *const *const at = at_first + %u;\n%s}\n", a->body, a->n_at, b->body);
  if (!more || t.failed) {
    cuda_text_free(&t);
    return gpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  }
  memcpy(a->at + a->n_at, b->at, b->n_at * sizeof *a->at);
  a->n_at += b->n_at;
  free(a->body);
  a->body = t.p;
  free(b->at);
  free(b->body);
  return GANTRY_OK;
}

static gantry_status chains(const gpu_compile *c, gpu_exe *e) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < e->n; k++) {
    if (n && follows(&e->actions[n - 1], &e->actions[k])) {
      gantry_status st = append(c, &e->actions[n - 1], &e->actions[k]);
      if (!st) continue;
      for (; k < e->n; k++) { /* lost with the program */
        free(e->actions[k].at);
        free(e->actions[k].body);
        gpu_product_free(c->self, e->actions[k].product);
      }
      e->n = n;
      return st;
    }
    if (n != k) e->actions[n] = e->actions[k];
    n++;
  }
  e->n = n;
  return GANTRY_OK;
}

typedef struct order {
  gpu_action *from, *to;
  uint32_t *left; /* by action: how many it still waits for */
  uint8_t *done, *edge; /* edge[later * n + earlier] */
  uint32_t n, n_to;
} order;

static void finish(order *o, uint32_t k) {
  o->done[k] = 1;
  for (uint32_t later = k + 1; later < o->n; later++) o->left[later] -= o->edge[(size_t)later * o->n + k];
}

static void take(order *o, uint32_t k) {
  o->to[o->n_to++] = o->from[k];
  o->from[k].at = NULL;
  o->from[k].body = NULL;
  o->from[k].product = NULL;
  finish(o, k);
}

/* All maps that may go now, in launches of at most GPU_MOST_AT pointers. */
static gantry_status take_maps(const gpu_compile *c, order *o) {
  enum { MOST = 96 };
  gpu_action *list[MOST] = {NULL};
  uint32_t which[MOST], n = 0, pointers = 0;
  int64_t blocks = 0;
  for (uint32_t k = 0; k < o->n && n < MOST; k++) {
    gpu_action *a = &o->from[k];
    if (o->done[k] || o->left[k] || pointers + a->n_at > GPU_MOST_AT || blocks + a->blocks > INT32_MAX) continue; /* only maps are left to go */
    list[n] = a;
    which[n++] = k;
    pointers += a->n_at;
    blocks += a->blocks;
  }
  if (n < 2) { /* none cannot be: the first that is left waits for nobody */
    take(o, n ? which[0] : 0);
    return GANTRY_OK;
  }
  gantry_status st = together(c, list, n, &o->to[o->n_to]);
  if (!st) o->n_to++;
  else free(o->to[o->n_to].at);
  for (uint32_t k = 0; k < n && !st; k++) finish(o, which[k]);
  return st;
}

static gantry_status run(const gpu_compile *c, order *o) {
  for (uint32_t later = 0; later < o->n; later++)
    for (uint32_t earlier = 0; earlier < later; earlier++)
      if (waits(&o->from[later], &o->from[earlier])) {
        o->edge[(size_t)later * o->n + earlier] = 1;
        o->left[later]++;
      }
  for (uint32_t done = 0; done < o->n;) {
    uint32_t k = 0;
    gantry_status st = GANTRY_OK;
    while (k < o->n && (o->done[k] || o->left[k] || o->from[k].map_points)) k++;
    if (k < o->n) take(o, k);
    else st = take_maps(c, o);
    if (st) return st;
    for (done = 0; done < o->n && o->done[done];) done++;
  }
  return GANTRY_OK;
}

gantry_status gpu_join(const gpu_compile *c) {
  gpu_exe *e = c->exe;
  gantry_status st = chains(c, e);
  if (st) return st;
  size_t n = e->n;
  order o = {.from = e->actions, .n = e->n, .to = calloc(n + 1, sizeof(gpu_action)), .left = calloc(n + 1, sizeof(uint32_t)), .done = calloc(n + 1, 1), .edge = calloc(n * n + 1, 1)};
  st = o.to && o.left && o.done && o.edge ? run(c, &o) : gpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  for (uint32_t k = 0; k < o.n_to && !st; k++) {
    gpu_action *a = &o.to[k];
    if (!a->body) continue;
    if (!(a->kernel = gpu_kernel_of(c->self, a->body, a->n_at))) st = gpu_fail(c, GANTRY_E_NOMEM, "out of memory");
    free(a->body);
    a->body = NULL;
  }
  free(o.left);
  free(o.done);
  free(o.edge);
  for (size_t k = 0; k < n; k++) { /* what was joined; the rest has moved */
    free(o.from[k].at);
    free(o.from[k].body);
    gpu_product_free(c->self, o.from[k].product);
  }
  free(e->actions);
  e->actions = o.to;
  e->n = o.to ? o.n_to : 0;
  return st;
}
