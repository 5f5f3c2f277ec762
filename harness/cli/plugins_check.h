/* plugins_check.h - `gantry plugins check`, a command within `gantry plugins`. */
#ifndef CLI_PLUGINS_CHECK_H
#define CLI_PLUGINS_CHECK_H
int plugins_check(int argc, char **argv);
#endif
