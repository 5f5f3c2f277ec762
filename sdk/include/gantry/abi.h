/* abi.h - the boundary between Gantry's host and a plugin.
 *
 * A plugin never computes. It describes computation once, by building a symbolic graph through the tables below; the host
 * differentiates, optimises, plans and runs it. A plugin exports exactly one constant object, GANTRY_PLUGIN_SYMBOL, of type
 * gantry_plugin; all that `gantry plugins describe` prints is constant data in it, read from the file without running code.
 *
 * Rules of this header
 * - Every struct begins with struct_size = sizeof of the side that made it. Readers use a field only if it lies within.
 *   Structs are append-only, have no padding, and tables are reached by pointer. Arrays of structs travel with a stride.
 * - Handles: a gantry_t is a tensor of the graph being built, valid during one callback. Handle 0 is poisoned: it flows
 *   through every operation, and the first error's message is kept, so plugin code checks nothing until it returns. Using
 *   a 0 that no failed call gave is an error of its own.
 * - Errors: a callback returns a gantry_status; host->fail() keeps the first message. Any failed host call makes the
 *   callback's result irrelevant, so `return 0` after one is fine: the host looks at its own sticky error.
 * - Ownership: strings and arrays passed to the host are copied before the call returns. Strings the host returns live as
 *   long as the callback. Plugins own nothing and free nothing.
 * - Threading: [build] callbacks of one process run one at a time. Everything in gantry_host is [build].
 * - While the ABI is 0.x it may change with a minor; from 1.0 on the rules of sdk/abi/ABI.md hold. */
#ifndef GANTRY_ABI_H
#define GANTRY_ABI_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_ABI_MAJOR 0
#define GANTRY_ABI_MINOR 3
/* The lowest host minor that a plugin needs: what it states, and all that a host compares. Define it before the first include where the plugin relies on
 * something marked "since 0.2" without asking GANTRY_HAS first; a plugin that asks needs no more than the first release. */
#ifndef GANTRY_TARGET_MINOR
#define GANTRY_TARGET_MINOR 1
#endif
#define GANTRY_MAGIC 0x59544e47u /* "GNTY" */
#define GANTRY_PLUGIN_SYMBOL "gantry_plugin_v0"
#define GANTRY_MAX_RANK 8
/* true if the struct that p points to, made by the other side, has field f */
#define GANTRY_HAS(p, f) ((p)->struct_size >= (size_t)((const char *)&(p)->f - (const char *)(p)) + sizeof (p)->f)

typedef int32_t gantry_status;
enum {
  GANTRY_OK = 0,
  GANTRY_E_INVALID = 1,      /* a call that makes no sense here: wrong handle, wrong argument */
  GANTRY_E_SHAPE = 2,        /* shapes do not fit */
  GANTRY_E_DTYPE = 3,        /* element types do not fit */
  GANTRY_E_UNSUPPORTED = 4,  /* unknown opcode, attribute or feature */
  GANTRY_E_CONFIG = 5,       /* the user's configuration is wrong */
  GANTRY_E_IO = 6,           /* a file is missing, truncated, unreadable or not writable */
  GANTRY_E_NOMEM = 7,        /* out of memory or disk */
  GANTRY_E_DEVICE = 8,       /* the device or its library failed */
  GANTRY_E_INTERNAL = 9,     /* a bug of the host */
  GANTRY_E_CANCELLED = 10    /* stopped by a signal */
};

/* Element types. Layout is always row-major and dense. bf16 is the upper half of an f32. bool is one byte, 0 or 1. */
enum { GANTRY_F32 = 1, GANTRY_F64 = 2, GANTRY_BF16 = 3, GANTRY_I32 = 4, GANTRY_I64 = 5, GANTRY_U32 = 6, GANTRY_U8 = 7, GANTRY_BOOL = 8 };

enum {
#define OP(number, name, arity, cls, diff, doc) GANTRY_OP_##name = number,
#include <gantry/ops.def>
#undef OP
  GANTRY_OP_NONE = 0
};
enum { GANTRY_CMP_EQ = 1, GANTRY_CMP_NE = 2, GANTRY_CMP_LT = 3, GANTRY_CMP_LE = 4, GANTRY_CMP_GT = 5, GANTRY_CMP_GE = 6 };

/* Attribute keys; append-only. The letter says which member of gantry_attr.v is read: i, f, I = iv[n], F = f if n is 1, else fv[n]. */
enum {
  GANTRY_A_VALUE = 1,     /* F */
  GANTRY_A_DIMS = 2,      /* I */
  GANTRY_A_DTYPE = 3,     /* i */
  GANTRY_A_AXIS = 4,      /* i */
  GANTRY_A_AXES = 5,      /* I */
  GANTRY_A_PERM = 6,      /* I */
  GANTRY_A_START = 7,     /* I */
  GANTRY_A_STOP = 8,      /* I */
  GANTRY_A_STEP = 9,      /* I */
  GANTRY_A_LO = 10,       /* I */
  GANTRY_A_HI = 11,       /* I */
  GANTRY_A_INTERIOR = 12, /* I */
  GANTRY_A_KIND = 13,     /* i */
  GANTRY_A_EXPONENT = 14, /* f */
  GANTRY_A_K = 15,        /* i */
  GANTRY_A_TA = 16,       /* i */
  GANTRY_A_TB = 17,       /* i */
  GANTRY_A_STRIDE = 18,   /* I */
  GANTRY_A_PAD_LO = 19,   /* I */
  GANTRY_A_PAD_HI = 20,   /* I */
  GANTRY_A_DILATION = 21, /* I */
  GANTRY_A_GROUPS = 22,   /* i */
  GANTRY_A_STREAM = 23,   /* i; set by the host */
  GANTRY_A_UP = 24,       /* I */
  GANTRY_A_DOWN = 25,     /* I */
  GANTRY_A_FLIP = 26,     /* i */
  GANTRY_A_DMASK = 27,    /* i; bit a = spatial axis a */
  GANTRY_A_BATCH = 28,    /* i */
  GANTRY_A_WINDOW = 29,   /* I */
  GANTRY_A_NAME = 30      /* i; host only: an interned name */
};

typedef struct gantry_t { uint32_t id; } gantry_t;       /* a tensor of the graph being built; 0 = poisoned */
typedef struct gantry_call { uint32_t id; } gantry_call; /* one application of a network; 0 = none */

typedef struct gantry_named { /* an argument by name */
  const char *name;
  gantry_t t;
  uint32_t reserved0;
} gantry_named;

typedef struct gantry_attr {
  uint32_t key, n; /* GANTRY_A_*; number of values */
  union { int64_t i; double f; const int64_t *iv; const double *fv; } v;
} gantry_attr;

typedef struct gantry_host gantry_host;
typedef struct gantry_ctx { const gantry_host *host; } gantry_ctx; /* the host appends private fields */

/* A named tensor that outlives the step: weights, optimizer slots, running statistics, power-iteration vectors, counters. */
typedef struct gantry_state_desc {
  uint32_t struct_size;
  uint32_t role;        /* GANTRY_ROLE_* */
  const char *name;     /* relative to the open scope, e.g. "weight" -> "d/conv1/weight" */
  const int64_t *dims;  /* NULL for a scalar */
  uint32_t rank, dtype; /* dtype 0 = f32 */
  uint32_t init;        /* GANTRY_INIT_* */
  uint32_t out_axis;    /* weights: the axis that counts outputs; the others are summed over */
  double init_scale;    /* meaning depends on init */
  uint32_t flags;       /* GANTRY_W_* */
  uint32_t reserved0;
} gantry_state_desc;
enum {
  GANTRY_ROLE_PARAM = 1,   /* trainable: has a gradient and an optimizer */
  GANTRY_ROLE_BUFFER = 2,  /* follows its network: running statistics, power-iteration vectors; copied by EMA */
  GANTRY_ROLE_COUNTER = 3  /* follows the run: p of ADA, balance, optimizer slots and step counts */
};
enum {
  GANTRY_INIT_CONSTANT = 0,   /* init_scale everywhere */
  GANTRY_INIT_NORMAL = 1,     /* N(0, init_scale^2) */
  GANTRY_INIT_UNIFORM = 2,    /* U(-init_scale, init_scale) */
  GANTRY_INIT_XAVIER = 3,     /* U(-a, a), a = init_scale * sqrt(6 / (fan_in + fan_out))   (Glorot & Bengio 2010) */
  GANTRY_INIT_HE = 4,         /* N(0, init_scale^2 * 2 / fan_in)                           (He et al. 2015) */
  GANTRY_INIT_ORTHOGONAL = 5, /* init_scale * a matrix with orthonormal rows or columns    (Saxe et al. 2014) */
  GANTRY_INIT_UNIT = 6        /* a random direction of length init_scale, over the whole tensor */
};
enum { GANTRY_W_MATRIX = 1 }; /* a filter of a linear or convolutional layer: spectral norm and its like act on it */

/* Graph building. Elementwise operations broadcast as NumPy does (trailing axes aligned, size 1 stretches). */
typedef struct gantry_graph_api {
  uint32_t struct_size, reserved0;
  /* One operation of ops.def; attributes are copied. 0, with the reason kept by the host, where types or shapes do not fit (E_DTYPE, E_SHAPE) or the opcode is unknown
   * (E_UNSUPPORTED), or an input is 0 though no call failed (E_INVALID: a variable never set, a tensor that the host does not give here); 0 without a new reason where a call before it failed. */
  gantry_t (*op)(gantry_ctx *, uint32_t opcode, const gantry_t *in, uint32_t n_in, const gantry_attr *, uint32_t n_attr);
  int32_t (*op_known)(gantry_ctx *, uint32_t opcode); /* 1 if this host has that operation */
  uint32_t (*shape)(gantry_ctx *, gantry_t, int64_t dims[GANTRY_MAX_RANK]); /* returns the rank; 0 and no dims if poisoned */
  uint32_t (*dtype)(gantry_ctx *, gantry_t);                                /* GANTRY_F32 ...; 0 if poisoned */
  /* dxs[i] = sum over y of seed * dy/dxs[i]; seed 0 = ones. An x that y does not depend on gets zeros. Symbolic, any order. */
  gantry_status (*grad)(gantry_ctx *, gantry_t y, gantry_t seed, const gantry_t *xs, uint32_t n, gantry_t *dxs);
  gantry_status (*scope)(gantry_ctx *, const char *name, int64_t index); /* opens "name", or "name<index>" for index >= 0; NULL closes. Each
                                                                          * callback closes what it opens, and nothing else */
  /* The value a state has here, declaring it at its first use; E_SHAPE where the name is declared with another shape, type, role or first value. set() rebinds it: later state() calls see v, and the last
   * binding is what the step stores. Neither is an operation, so there is nothing to order. */
  gantry_t (*state)(gantry_ctx *, const gantry_state_desc *);
  gantry_status (*set)(gantry_ctx *, const char *name, gantry_t v); /* name as in state(): relative to the open scope */
  /* A trainable weight as layers should use it: state() followed by every weight transform of the experiment (spectral norm ...),
   * each computed once per weight and update. */
  gantry_t (*weight)(gantry_ctx *, const gantry_state_desc *);
  gantry_status (*label)(gantry_ctx *, const char *text); /* names what is built next in error messages; NULL ends it */
} gantry_graph_api;

/* Networks of the run, for losses, regularizers and metrics.
 *
 * Labels: a network whose inputs name "label:label" is fed i32 classes [n]. Whoever applies it may feed them; where nobody does, the host feeds
 * those of the update under way (step->label_real, which in D's update are the fakes' labels too), repeated or cut to the batch of this
 * application, and outside updates labels drawn from the data. So a penalty written without labels is right for conditional networks. On
 * unlabelled data nothing is fed.
 * Packing (d.pack = m): apply() joins m consecutive images (or vectors) to one with m times the channels before D sees them, so callers always
 * feed single images [n,..] and get logits [n/m]. */
typedef struct gantry_net_api {
  uint32_t struct_size, reserved0;
  /* Builds one more application of a network; it sees the bindings of this moment. Inputs by name; a tap's name feeds that tap. E_INVALID, with the names there are, for any
   * other name, for a handle 0, and for an input left out that is no label, unless a tap is fed. */
  gantry_call (*apply)(gantry_ctx *, uint32_t net, const gantry_named *in, uint32_t n_in, uint32_t flags);
  gantry_t (*out)(gantry_ctx *, gantry_call, const char *tap); /* a tap of an application; the error names the taps there are */
  gantry_t (*tap)(gantry_ctx *, const char *name, gantry_t);   /* architectures publish; returns what apply() was fed instead, if anything */
  gantry_t (*draw)(gantry_ctx *, uint32_t net, const char *input, int64_t n); /* n fresh samples of a network's random input ("z"), or n labels drawn from the data ("label") */
  uint32_t (*params)(gantry_ctx *, uint32_t net, gantry_t *dst, uint32_t cap); /* trainable weights as bound here; returns how many there are */
  gantry_status (*update)(gantry_ctx *, uint32_t net, gantry_t loss);          /* one symbolic optimizer update of the bindings */
  gantry_t (*data)(gantry_ctx *, const char *name); /* a named array of the data set, f32: "data.modes" ...; see dataset.h */
  /* Real samples that are the same in every program of a run, for virtual batch norm: "image": n of them in the data's range, packed if the
   * network being built is; "label": their classes, i32 [n]. "z" or another random input of the network being built: n draws made once, a state of the network. */
  gantry_t (*reference)(gantry_ctx *, const char *what, int64_t n);
  /* Since 0.2. The experiment's loss of a network as a scalar, from D's logits [n / d.pack] on real and fake; D's with the targets that smoothing and flipping make.
   * logit_real may be 0 in G's loss unless it pairs. Only in methods with two networks. */
  gantry_t (*loss)(gantry_ctx *, uint32_t net, gantry_t logit_real, gantry_t logit_fake);
} gantry_net_api;
enum { GANTRY_G = 1, GANTRY_D = 2, GANTRY_FEATURES = 3 };
enum {
  GANTRY_EVAL = 1,            /* running statistics, no dropout, stored power-iteration vectors */
  GANTRY_NO_STATE_UPDATE = 2, /* what this application rebinds is dropped when it returns */
  GANTRY_EMA = 4              /* the averaged weights of G */
};

typedef struct gantry_metric_api { /* see metric.h */
  uint32_t struct_size, reserved0;
  gantry_t (*features)(gantry_ctx *, gantry_t images, const char *tap); /* a tap of the feature network that the configuration names, of images in the data's range */
  gantry_status (*keep)(gantry_ctx *, const char *name, gantry_t v, uint32_t how); /* in pass() only; how: GANTRY_KEEP_*; a name once per pass */
  gantry_t (*kept)(gantry_ctx *, uint32_t set, const char *name); /* everything kept so far, f64; "n" is the set's size */
} gantry_metric_api;

/* Typed access to the plugin's own parameters, by index into its table. Values lie within the table's ranges. An index outside it is an error of the callback and gives 0, ""
 * or a poisoned handle. */
typedef struct gantry_param_api {
  uint32_t struct_size, reserved0;
  double (*f64)(gantry_ctx *, uint32_t index);      /* as a constant: makes the parameter structural */
  int64_t (*i64)(gantry_ctx *, uint32_t index);     /* INT, BOOL (0/1), ENUM (index into choices) */
  const char *(*str)(gantry_ctx *, uint32_t index); /* STRING, PATH (resolved, absolute), ENUM */
  uint32_t (*list)(gantry_ctx *, uint32_t index, double *dst, uint32_t cap); /* FLOATS, INTS; returns how many there are */
  gantry_t (*scalar)(gantry_ctx *, uint32_t index); /* FLOAT as a runtime f32 scalar: schedulable, and like runs share a program */
} gantry_param_api;

struct gantry_host {
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  const gantry_graph_api *graph;
  const gantry_net_api *net;       /* NULL where networks make no sense (datasets) */
  const gantry_metric_api *metric; /* NULL outside metrics */
  const gantry_param_api *param;
  gantry_status (*fail)(gantry_ctx *, gantry_status, const char *message); /* one finished sentence, copied; sticky, first wins; returns the status kept */
  void (*log)(gantry_ctx *, uint32_t level, const char *message);          /* 1 error, 2 warning, 3 information */
  const void *(*ext)(gantry_ctx *, const char *id);                        /* optional capability "gantry.name/1", or NULL */
};

/* One parameter: the same row validates JSON, makes the schema, prints `describe`, and gives typed access. */
typedef struct gantry_param {
  const char *key, *doc, *unit; /* key: [a-z][a-z0-9_]*; unit NULL = none */
  uint32_t type, flags;
  double def, lo, hi;           /* lo > hi: unbounded. BOOL: def 0 or 1. INT: whole numbers within +-2^53 */
  const char *def_str;          /* STRING, PATH, ENUM default; lists: "0,0.99" */
  const char *const *choices;   /* ENUM: NULL-terminated */
} gantry_param;
enum { GANTRY_P_BOOL = 1, GANTRY_P_INT = 2, GANTRY_P_FLOAT = 3, GANTRY_P_ENUM = 4, GANTRY_P_STRING = 5, GANTRY_P_INTS = 6, GANTRY_P_FLOATS = 7, GANTRY_P_PATH = 8 };
enum {
  GANTRY_PF_REQUIRED = 1,    /* no default */
  GANTRY_PF_LOG = 2,         /* sweeps should be logarithmic */
  GANTRY_PF_STRUCTURAL = 4,  /* read as a constant: not schedulable */
  GANTRY_PF_DEPRECATED = 8,  /* doc names the replacement */
  GANTRY_PF_OPEN_LO = 16,    /* lo itself is excluded */
  GANTRY_PF_OPEN_HI = 32     /* hi itself is excluded */
};

typedef struct gantry_plugin {
  uint32_t struct_size, magic;
  uint16_t abi_major, abi_minor;      /* the lowest host ABI this plugin needs, not the one it was compiled with */
  uint32_t kind;
  const char *name;                   /* [a-z][a-z0-9_]*; unique within its kind */
  const char *version, *summary;      /* "1.0.0"; one line */
  const char *paper, *license;        /* reference or NULL; SPDX identifier */
  const char *const *needs;           /* capabilities, NULL-terminated, or NULL: "data.modes", "d.logit"; listed in docs/arch.md */
  const char *const *provides;
  const gantry_param *params;
  uint32_t param_count, param_stride;
  const void *iface;                  /* gantry_loss, gantry_arch, ... by kind */
} gantry_plugin;
enum { GANTRY_KIND_LOSS = 1, GANTRY_KIND_ARCH = 2, GANTRY_KIND_OPTIM = 3, GANTRY_KIND_REGULARIZER = 4, GANTRY_KIND_METRIC = 5, GANTRY_KIND_DATASET = 6, GANTRY_KIND_BACKEND = 7 };

#if defined(__GNUC__)
#define GANTRY_EXPORT __attribute__((visibility("default")))
#else
#define GANTRY_EXPORT
#endif
/* Opens the definition of the plugin's one exported object:
 *   GANTRY_PLUGIN(GANTRY_KIND_LOSS, "hinge", "1.0.0", "…") .params = params, .param_count = 1, … GANTRY_PLUGIN_END */
#define GANTRY_PLUGIN(KIND, NAME, VERSION, SUMMARY)                                                                              \
  extern GANTRY_EXPORT const gantry_plugin gantry_plugin_v0;                                                                     \
  GANTRY_EXPORT const gantry_plugin gantry_plugin_v0 = {.struct_size = sizeof(gantry_plugin), .magic = GANTRY_MAGIC,             \
    .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_TARGET_MINOR, .kind = KIND, .name = NAME, .version = VERSION, .summary = SUMMARY,           \
    .license = "MIT", .param_stride = sizeof(gantry_param),
#define GANTRY_PLUGIN_END };

#ifdef __cplusplus
}
#endif
#endif
