/* commands.h - every command: int cmd_<name>(int argc, char **argv), argv[0] being the command's name. The table is commands.def. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H
#define COMMAND(name, hidden, help) int cmd_##name(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND
#endif
