/* test_memory.c - the memory of a run told before anything is opened against what its session holds. */
#include "run.h"

static void told(const char *base, double scratch) {
  test_run t;
  int64_t said = 0;
  T_CHECK(test_run_open(&t, base, 1, 0, 0) && !train_memory(t.r, NULL, &said, &t.e) && !train_start(t.r, &t.e) && !train_steps(t.r, 0, 1, &t.e));
  if (t.r && t.r->session) {
    double holds = (double)exec_bytes(t.r->session) + (double)data_memory_bytes(t.r->data);
    if ((double)said > holds || holds > (double)said * 1.02 + scratch) printf("# said %lld, holds %.0f\n", (long long)said, holds);
    T_CHECK((double)said <= holds); /* inputs and constants are not counted: a few bytes */
    T_CHECK(holds <= (double)said * 1.02 + scratch);
    T_CHECK((double)said > 0.5 * holds);
  }
  T_CHECK(!t.e.code);
  test_run_close(&t);
}
#define NETS(size) "\"g\": {\"arch\": {\"name\": \"mlp\", \"width\": " size "}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": " size "}}"
static void test_memory__is_known_before_the_first_step(void) {
  told("{\"data\": {\"name\": \"gaussians\"}, " NETS("64") ", \"train\": {\"batch\": 256, \"length\": {\"steps\": 2}}}", 4096);
  told("{\"data\": {\"name\": \"gaussians\"}, " NETS("200") ", \"regularizers\": {\"gp\": {\"name\": \"gradient_penalty\"}}, \"loss\": {\"name\": \"wasserstein\"}, \"train\": {\"batch\": 512, \"length\": {\"steps\": 2}}}", 4096);
}
T_MAIN(T(test_memory__is_known_before_the_first_step))
