/* test_cache.c - where the user's cache folder is (gantry/cache.h): which variable counts, what is made, what is not trusted. */
#include <gantry/cache.h>
#include <string.h>

#include "t.h"

static char root[] = "/tmp/gantry-cache-XXXXXX";
static void begin(void) {
  strcpy(root, "/tmp/gantry-cache-XXXXXX");
  T_CHECK(mkdtemp(root) != NULL);
  unsetenv("GANTRY_CACHE");
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
}
static const char *under(char out[200], const char *what) { return snprintf(out, 200, "%s%s", root, what), out; }
static int is(const char *below) { /* the folder is that one, there, and for its user alone */
  char got[200], want[200];
  struct stat st;
  return gan_cache_folder(got, sizeof got) && !strcmp(got, under(want, below)) && !stat(got, &st) && (st.st_mode & 0777) == 0700;
}
static void end(void) {
  char command[300];
  snprintf(command, sizeof command, "rm -rf %s", root);
  T_CHECK(!system(command));
}

static void test_cache__which_variable_counts(void) {
  char got[200], path[200];
  begin();
  T_CHECK(!gan_cache_path(got, sizeof got) && !gan_cache_folder(got, sizeof got));
  setenv("HOME", under(path, "/home"), 1);
  T_CHECK(is("/home/.cache/gantry"));
  setenv("XDG_CACHE_HOME", "relative/path", 1); /* passed over */
  T_CHECK(is("/home/.cache/gantry"));
  setenv("XDG_CACHE_HOME", under(path, "/xdg"), 1);
  T_CHECK(is("/xdg/gantry"));
  setenv("GANTRY_CACHE", under(path, "/own"), 1);
  T_CHECK(gan_cache_path(got, sizeof got) && access(got, F_OK)); /* a path alone makes nothing */
  T_CHECK(is("/own") && is("/own"));
  T_CHECK(!gan_cache_path(got, strlen(root) + 4) && gan_cache_path(got, strlen(root) + 5)); /* "/own" and its end, to the byte */
  end();
}

static void test_cache__what_is_not_trusted(void) {
  char got[200], path[200];
  begin();
  setenv("GANTRY_CACHE", under(path, "/own"), 1);
  T_CHECK(is("/own"));
  for (int k = 0; k < 2; k++) { /* others may write into it */
    T_CHECK(!chmod(path, k ? 0702 : 0720));
    errno = 0;
    T_CHECK(!gan_cache_folder(got, sizeof got) && errno == EACCES);
  }
  T_CHECK(!chmod(path, 0755) && gan_cache_folder(got, sizeof got)); /* reading it is their right */
  setenv("GANTRY_CACHE", "/etc/passwd/cache", 1);
  errno = 0;
  T_CHECK(!gan_cache_folder(got, sizeof got) && errno == ENOTDIR);
  if (!geteuid()) { /* someone else's: only root can make one */
    setenv("GANTRY_CACHE", path, 1);
    T_CHECK(!chown(path, 1, 1) && !gan_cache_folder(got, sizeof got));
  }
  end();
}

T_MAIN(T(test_cache__which_variable_counts), T(test_cache__what_is_not_trusted))
