/* test_cubins.c - source to machine code: the cache on disk (found again, made again when damaged, other options another entry), and the real NVRTC's
 * errors with numbered lines. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "cubins.h"
#include "double.h"
#include "text.h"

static char folder[] = "/tmp/gantry-cubins-XXXXXX";
static int entries(char *path, size_t room) {
  int n = 0;
  DIR *d = opendir(folder);
  for (struct dirent *f; d && (f = readdir(d));)
    if (strstr(f->d_name, ".cubin")) {
      n++;
      snprintf(path, room, "%s/%s", folder, f->d_name);
    }
  if (d) closedir(d);
  return n;
}

/* A counter of how often it was asked to compile, in front of any NVRTC. */
static nvrtcResult (*inner)(nvrtcProgram, int, const char *const *);
static int compiled;
static nvrtcResult counting(nvrtcProgram p, int n, const char *const *o) {
  compiled++;
  return inner(p, n, o);
}

static void test_cubins__the_cache(void) {
  library l = {0};
  char path[400] = "";
  void *a = NULL, *b = NULL;
  size_t na = 0, nb = 0;
  char *why = NULL;
  err e = {0};
  buf file = {0};
  double_use();
  T_CHECK(mkdtemp(folder) != NULL && library_open_nvrtc(&l));
  setenv("GANTRY_CACHE", folder, 1);
  inner = l.nvrtcCompileProgram;
  l.nvrtcCompileProgram = counting;
  const char *text = "int answer(void) { return 42; }\n";
  T_CHECK(cubins_get(&l, text, 90, &a, &na, &why) && compiled == 1);
  T_CHECK(entries(path, sizeof path) == 1);
  T_CHECK(cubins_get(&l, text, 90, &b, &nb, &why) && compiled == 1);
  T_CHECK(na == nb && !memcmp(a, b, na));
  free(b);
  /* a byte that is wrong: made again, and right again */
  T_CHECK(!file_read(path, &file, 64 << 20, &e));
  file.p[100] ^= 1;
  T_CHECK(!file_write(path, file.p, file.n, &e) && !chmod(path, 0600));
  T_CHECK(cubins_get(&l, text, 90, &b, &nb, &why) && compiled == 2);
  T_CHECK(na == nb && !memcmp(a, b, na));
  free(b);
  T_CHECK(cubins_get(&l, text, 90, &b, &nb, &why) && compiled == 2);
  free(b);
  /* what others may write is not trusted */
  T_CHECK(!chmod(path, 0666));
  T_CHECK(cubins_get(&l, text, 90, &b, &nb, &why) && compiled == 3);
  free(b);
  T_CHECK(cubins_get(&l, text, 80, &b, &nb, &why) && compiled == 4); /* another architecture is another entry */
  free(b);
  T_CHECK(entries(path, sizeof path) == 2);
  T_CHECK(!cubins_get(&l, "no C\n", 90, &b, &nb, &why) && why && strstr(why, "does not compile"));
  free(why);
  free(a);
  buf_free(&file);
  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  T_CHECK(!system(command));
  unsetenv("GANTRY_CACHE");
}

static void test_cubins__nvrtc_shows_the_line(void) {
  library l = {0};
  void *image = NULL;
  size_t n;
  char *why = NULL;
  unsetenv("GANTRY_CUDA_DOUBLE");
  if (!library_open_nvrtc(&l)) T_SKIP("no NVRTC on this machine");
  T_CHECK(!cubins_compile(&l, "__device__ int first;\n__global__ void k(float *p) {\n  p[0] = no_such_thing;\n}\n", 90, &image, &n, &why));
  T_HAS(why, "a kernel does not compile: ");
  T_HAS(why, "no_such_thing");
  T_HAS(why, "     3>   p[0] = no_such_thing;");
  T_HAS(why, "     1  __device__ int first;");
  T_HAS(why, "     2  __global__ void k(float *p) {");
  free(why);
  T_CHECK(cubins_compile(&l, "extern \"C\" __global__ void k(float *p) { p[0] = 1; }\n", 90, &image, &n, &why));
  T_CHECK(image && n > 100 && !memcmp(image, "\177ELF", 4));
  free(image);
  T_CHECK(cubins_compile(&l, "extern \"C\" __global__ void k(float *p) { p[0] = 1; }\n", 999, &image, &n, &why)); /* a GPU newer than this NVRTC gets PTX */
  T_CHECK(image && strstr(image, ".target sm_"));
  free(image);
}
T_MAIN(T(test_cubins__the_cache), T(test_cubins__nvrtc_shows_the_line))
