# plugin.mk - how a plugin of one C file is built, in or out of the tree: no imports but libc's and libm's pure functions, one export, no start-up files.
#
#   all: mine.so
#   include $(shell pkg-config --variable=plugin_mk gantry)
#
# gives `make` (mine.c -> mine.so) and `make check` (gantry's conformance check of every .so here). Set GANTRY to use another gantry than that of the PATH.
GANTRY_MK_DIR := $(dir $(lastword $(MAKEFILE_LIST)))
GANTRY_INCLUDE ?= $(firstword $(wildcard $(GANTRY_MK_DIR)include $(GANTRY_MK_DIR)../../include))
GANTRY ?= gantry
GANTRY_PLUGIN_CFLAGS := -std=c11 -O2 -fPIC -shared -fvisibility=hidden -ffp-contract=off -fno-math-errno
GANTRY_PLUGIN_LDFLAGS := -nostartfiles -Wl,-z,defs -Wl,-z,now -Wl,-z,relro -s -lm -lc

%.so: %.c
	$(CC) $(GANTRY_PLUGIN_CFLAGS) $(CFLAGS) -Wall -Wextra -I$(GANTRY_INCLUDE) -o $@ $< $(GANTRY_PLUGIN_LDFLAGS)
