/* print.c - a graph for people and for golden tests: one line per live node, then the roots. The same graph prints the same text. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/infer.h"

void ir_print_shape(const ir_graph *g, ir_id id, buf *b) {
  char text[200];
  buf_printf(b, "%s%s", ir_dtype_name(ir_at(g, id)->dtype), ir_shape_text(ir_at(g, id)->rank, ir_dims(g, id), text));
}

static void print_lower(buf *b, const char *s) {
  for (; *s; s++) buf_putc(b, (char)tolower((unsigned char)*s));
}

/* As few digits as name this number of its type. */
static void print_number(buf *b, uint32_t dtype, double v) {
  char text[40];
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, v);
    double back = strtod(text, NULL);
    if ((dtype == GANTRY_F32 ? (double)(float)back : back) == v) break;
  }
  buf_puts(b, v != v ? "nan" : text);
}

static void print_attr(const ir_graph *g, const ir_node *n, const ir_attr *a, buf *b) {
  const int64_t *nums = g->nums.p + a->off;
  int kind = ir_attr_kind(a->key), list = kind == IR_ATTR_INTS || a->n > 1;
  enum { SHOWN = 8 };
  buf_putc(b, ' ');
  print_lower(b, ir_attr_name(a->key));
  buf_putc(b, '=');
  if (a->key == GANTRY_A_NAME) {
    buf_printf(b, "\"%s\"", ir_name(g, (uint32_t)nums[0]));
    return;
  }
  if (a->key == GANTRY_A_DTYPE) {
    buf_puts(b, ir_dtype_name((uint32_t)nums[0]));
    return;
  }
  if (a->key == GANTRY_A_KIND) {
    static const char *const kinds[] = {"?", "eq", "ne", "lt", "le", "gt", "ge"};
    buf_puts(b, kinds[nums[0] >= 1 && nums[0] <= 6 ? nums[0] : 0]);
    return;
  }
  if (list) buf_putc(b, '[');
  for (uint32_t k = 0; k < a->n && k < SHOWN; k++) {
    if (k) buf_putc(b, ',');
    if (kind == IR_ATTR_INT || kind == IR_ATTR_INTS) buf_printf(b, "%lld", (long long)nums[k]);
    else {
      double v;
      memcpy(&v, &nums[k], sizeof v);
      print_number(b, n->op == GANTRY_OP_CONST ? n->dtype : GANTRY_F64, v);
    }
  }
  if (a->n > SHOWN) buf_printf(b, ",... %u numbers", a->n);
  if (list) buf_putc(b, ']');
}

/* DIMS and DTYPE are the shape that is printed anyway. */
static int is_shape(uint32_t key) { return key == GANTRY_A_DIMS || key == GANTRY_A_DTYPE; }

void ir_print(const ir_graph *g, buf *b) {
  uint8_t *live = ir_live(g);
  for (ir_id id = 1; id < g->nodes.n; id++) {
    if (!live[id]) continue;
    const ir_node *n = ir_at(g, id);
    buf_printf(b, "%%%u = ", id);
    print_lower(b, ir_op_get(n->op)->name);
    buf_putc(b, ' ');
    ir_print_shape(g, id, b);
    for (uint32_t k = 0; k < n->n_in; k++) buf_printf(b, " %%%u", ir_in(g, id, k));
    for (uint32_t k = 0; k < n->n_attr; k++)
      if (!is_shape(g->attrs.p[n->attr_off + k].key)) print_attr(g, n, &g->attrs.p[n->attr_off + k], b);
    if (n->label) buf_printf(b, "  ; %s", ir_name(g, n->label));
    buf_putc(b, '\n');
  }
  for (uint32_t k = 0; k < g->roots.n; k++)
    buf_printf(b, "%s \"%s\" = %%%u\n", g->roots.p[k].kind == IR_STORE ? "store" : "output", ir_name(g, g->roots.p[k].name), g->roots.p[k].id);
  free(live);
}
