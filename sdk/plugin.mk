# plugin.mk - how a pure plugin (loss, arch, optim, regularizer, metric) is built: one C file, no imports, one export.
# Out of the tree:  GANTRY_SDK := /usr/include/gantry/..   include $(GANTRY_SDK)/plugin.mk
#                   my_loss.so: my_loss.c ; $(CC) $(GANTRY_PLUGIN_CFLAGS) -I$(GANTRY_SDK)/include -o $@ $< $(GANTRY_PLUGIN_LDFLAGS)
GANTRY_PLUGIN_CFLAGS := -std=c11 -O2 -fPIC -shared -fvisibility=hidden -ffp-contract=off -fno-math-errno
GANTRY_PLUGIN_LDFLAGS := -nostartfiles -Wl,-z,defs -Wl,-z,now -Wl,-z,relro -s -lm -lc
