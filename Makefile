# Gantry. `make` builds ./gantry and the plugins, `make demo` runs a real ablation, `make test` runs the tests.
# Every file is found by wildcard: a new plugin, room file or test needs no change here.

# The one list of Debian/Ubuntu packages; `make deps` installs what is missing and does nothing when all is there.
APT_PACKAGES := gcc libc6-dev pkg-config libjansson-dev libsqlite3-dev sqlite3 libpng-dev libjpeg-dev zlib1g-dev liblzma-dev libmd-dev nettle-dev \
  libcunit1-dev libdnnl-dev libopenblas-dev dataset-fashion-mnist

CHECK_PACKAGES := valgrind python3-jsonschema abigail-tools
FUZZ_PACKAGES := clang libclang-rt-14-dev

CC      ?= cc
CONFIG  ?= release
B       := build/$(CONFIG)
# nproc believes OMP_NUM_THREADS, which the scripts of the tests set to 1 for what they run
JOBS    ?= $(shell env -u OMP_NUM_THREADS nproc)
MAKEFLAGS += --no-print-directory
# One short line per file; V=1 shows the commands.
Q       := $(if $(V),,@)
# a comma, for text inside functions of make
,        := ,
say      = $(if $(V),,@printf '  %-4s %s\n' $(1) $(subst $(B)/,,$@))
# Optimised, with exact floating point: no contraction, no reassociation, ever.
OPT     ?= -O2 -g
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
ifdef CI
WARN    += -Werror
endif
SAN     ?=
ifneq ($(SAN),)
CONFIG  := $(SAN)
B       := build/$(SAN)
SANFLAGS := -DGANTRY_SANITIZED -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
CFLAGS  += -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -fno-math-errno -ffp-contract=off -fPIC -MMD -MP $(SANFLAGS)
INC     := -Isdk/include -Iharness
LIBS    := $(shell pkg-config --libs jansson sqlite3 libpng zlib 2>/dev/null) -lnettle -lm -ldl -lpthread

# ---- the host ------------------------------------------------------------------------------------------------------------------
HOST_SRC := $(wildcard harness/*/*.c)
HOST_OBJ := $(HOST_SRC:%.c=$(B)/%.o)
HOST_LIB := $(B)/libhost.a
LIB_OBJ  := $(filter-out $(B)/harness/cli/main.o,$(HOST_OBJ))

# ---- plugins: one file each, or one folder each below plugins/backends ---------------------------------------------------------
PURE_KINDS := losses archs optim regularizers metrics
PURE_SRC := $(foreach k,$(PURE_KINDS),$(wildcard plugins/$(k)/*.c))
PURE_SO  := $(PURE_SRC:%.c=$(B)/%.so)
DATA_SRC := $(wildcard plugins/datasets/*.c)
DATA_SO  := $(DATA_SRC:%.c=$(B)/%.so)
CPU_SRC  := $(wildcard plugins/backends/cpu/*.c)
CPU_SO   := $(if $(CPU_SRC),$(B)/plugins/backends/cpu.so)
# The CUDA backend needs headers alone, and opens NVIDIA's libraries at run time. make CUDA=0: as if there were none.
CUDA     ?= $(firstword $(wildcard $(CUDA_HOME)/include/cuda.h /usr/local/cuda/include/cuda.h $(wildcard /usr/local/cuda-*/include/cuda.h) /usr/include/cuda.h))
CUDA_NEEDS := cuda.h nvrtc.h cublasLt.h cudnn_graph.h
CUDA_INC := $(if $(filter-out 0,$(CUDA)),$(patsubst %/,%,$(dir $(CUDA))))
CUDA_LACKS := $(if $(CUDA_INC),$(filter-out $(notdir $(wildcard $(CUDA_NEEDS:%=$(CUDA_INC)/%))),$(CUDA_NEEDS)),cuda.h)
CUDA_SRC := $(if $(CUDA_LACKS),,$(wildcard plugins/backends/cuda/*.c))
CUDA_SO  := $(if $(CUDA_SRC),$(B)/plugins/backends/cuda.so)
CUDA_DOUBLE := $(if $(CUDA_SRC),$(B)/tests/cuda_double.so)
WEIGHTS  := $(patsubst %,$(B)/%,$(wildcard plugins/archs/*.safetensors))
PLUGINS  := $(PURE_SO) $(DATA_SO) $(CPU_SO) $(CUDA_SO) $(WEIGHTS)

.PHONY: all gantry deps pairs test test-binaries check demo bench clean mutants parity proof-outcome proof-chaos fuzz bench-store asan ubsan tsan install dist check-gpu bench-gpu
all: deps
	@$(MAKE) -j$(JOBS) gantry

# A plugin whose source is gone must not stay behind: it would still be found, and stand in front of others.
drop_stale = @for so in $$(find $(1) -name '*.so' 2>/dev/null); do case " $(2) " in *" $$so "*) ;; *) rm -f "$$so" ;; esac; done
gantry: $(B)/gantry $(PLUGINS) $(B)/sdk/abi/lock
	$(call drop_stale,$(B)/plugins,$(PLUGINS))
	$(if $(CUDA_LACKS),@echo "  the CUDA backend is left out: $(if $(CUDA_INC),no $(CUDA_LACKS) in $(CUDA_INC),no cuda.h below CUDA_HOME$(,) /usr/local/cuda* or /usr/include)")
	@ln -sf $(B)/gantry $@

# Where the archive of `make dist` has libraries: beside or above a program; found so by what it loads, too (an old-style path is handed on).
BESIDE   := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/lib:$$ORIGIN/../lib:$$ORIGIN/../../lib'
$(B)/gantry: $(HOST_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(SANFLAGS) -rdynamic $(BESIDE) -o $@ $^ $(LIBS)

$(B)/harness/%.o: harness/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(INC) -c -o $@ $<

include sdk/plugin.mk sdk/abi/abi.mk
$(PURE_SO): $(B)/%.so: %.c sdk/plugin.mk
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(GANTRY_PLUGIN_CFLAGS) $(WARN) $(SANFLAGS) -MMD -MP -MT $@ -MF $(@:.so=.d) -Isdk/include -o $@ $< $(if $(SANFLAGS),,$(GANTRY_PLUGIN_LDFLAGS))

# weights of feature networks lie beside their plugins
$(WEIGHTS): $(B)/%: %
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(DATA_SO): $(B)/%.so: %.c
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(filter-out -MMD -MP,$(CFLAGS)) -MMD -MP -MT $@ -MF $(@:.so=.d) -fvisibility=hidden -shared -Isdk/include -o $@ $< -lpng -ljpeg -lz -llzma -lmd -lm

# The text in front of generated C, carried inside the plugin as strings, a line each.
PRELUDE := sdk/include/gantry/scalar.h plugins/backends/cpu/elementwise.h plugins/backends/cpu/prelude.h
$(B)/plugins/backends/cpu/prelude_text.h: $(PRELUDE)
	@mkdir -p $(@D)
	@{ printf '#define CPU_GENERATED\n#include <stdint.h>\n'; cat $(PRELUDE); } | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/",/' >$@
$(B)/plugins/backends/cpu/emit_c.o: $(B)/plugins/backends/cpu/prelude_text.h
$(B)/plugins/backends/cpu/%.o: plugins/backends/cpu/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(filter-out -O2,$(CFLAGS)) $(if $(findstring -O0,$(OPT)),,-O3) -fopenmp -fno-trapping-math -fvisibility=hidden -Isdk/include -Iplugins/backends/cpu -I$(@D) -c -o $@ $<
$(B)/plugins/backends/cpu.so: $(CPU_SRC:%.c=$(B)/%.o)
	$(call say,SO)
	$(Q)$(CC) $(SANFLAGS) -shared -fopenmp -o $@ $^ -ldnnl $(shell pkg-config --libs openblas 2>/dev/null || echo -lopenblas) -lmd -lm -ldl -lpthread

CUDA_CFLAGS = $(CFLAGS) -fvisibility=hidden -Isdk/include -Iplugins/backends/cuda -I$(B)/plugins/backends/cuda -isystem $(CUDA_INC)
# Kernels travel as text: what stands in front of every program, then each body of kernels/ by its name.
CUDA_PRELUDE := sdk/include/gantry/scalar.h sdk/include/gantry/philox.h plugins/backends/cpu/elementwise.h plugins/backends/cuda/prelude.h
CUDA_KERNELS := $(wildcard plugins/backends/cuda/kernels/*.cu)
AS_STRINGS := sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/",/'
$(B)/plugins/backends/cuda/kernels_text.h: $(CUDA_PRELUDE) $(CUDA_KERNELS) Makefile
	@mkdir -p $(@D)
	@{ echo 'static const char *const text_prelude[] __attribute__((unused)) = {'; { cat plugins/backends/cuda/integers.h; printf '#define CPU_GENERATED\n'; cat $(CUDA_PRELUDE); } | $(AS_STRINGS); echo '0};'; \
	  for k in $(CUDA_KERNELS); do echo "static const char *const text_$$(basename $$k .cu)[] __attribute__((unused)) = {"; $(AS_STRINGS) $$k; echo '0};'; done; } >$@
$(CUDA_SRC:%.c=$(B)/%.o): $(B)/plugins/backends/cuda/kernels_text.h
$(B)/plugins/backends/cuda/%.o: plugins/backends/cuda/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CUDA_CFLAGS) -c -o $@ $<
$(B)/plugins/backends/cuda.so: $(CUDA_SRC:%.c=$(B)/%.o)
	$(call say,SO)
	$(Q)$(CC) $(SANFLAGS) -shared -o $@ $^ -lmd -lm -ldl -lpthread

# What tests and benchmarks link: the host without main().
$(HOST_LIB): $(LIB_OBJ)
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# ---- tests: one CUnit binary per file, mirroring harness/ -----------------------------------------------------------------------
TEST_SRC := $(filter-out $(if $(CUDA_LACKS),tests/unit/backends_cuda/%),$(wildcard tests/unit/*/test_*.c))
TEST_BIN := $(TEST_SRC:tests/unit/%.c=$(B)/tests/%)
$(B)/tests/%: tests/unit/%.c tests/unit/t.h $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(CFLAGS) $(INC) -Itests/unit -rdynamic -o $@ $< $(HOST_LIB) -lcunit $(LIBS) -ljpeg -lmd
# Tests of the CUDA backend also call its parts: compiling for real GPUs and describing convolutions need none.
CUDA_PARTS := $(filter-out %/backend.o,$(CUDA_SRC:%.c=$(B)/%.o))
$(B)/tests/backends_cuda/%: tests/unit/backends_cuda/%.c tests/unit/t.h $(HOST_LIB) $(CUDA_PARTS)
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(CFLAGS) $(INC) -Itests/unit -Iplugins/backends/cuda -isystem $(CUDA_INC) -rdynamic $(BESIDE) -o $@ $< $(CUDA_PARTS) $(HOST_LIB) -lcunit $(LIBS) -ljpeg -lmd
$(B)/bench/%: tests/bench/%.c tests/unit/t.h $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(CFLAGS) $(INC) -Itests/unit -rdynamic $(BESIDE) -o $@ $< $(HOST_LIB) -lcunit $(LIBS) -ljpeg -lmd
.SECONDARY:

# NVIDIA's driver and libraries as the tests have them: tests/cuda_double/double.h
DOUBLE_SRC := $(if $(CUDA_SRC),$(wildcard tests/cuda_double/*.c))
$(CUDA_DOUBLE): $(DOUBLE_SRC) $(wildcard tests/cuda_double/*.h)
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) -std=c11 -O2 -g -Wall -Wextra $(if $(CI),-Werror) -ffp-contract=off -fno-strict-aliasing -fPIC -shared -fvisibility=hidden $(SANFLAGS) -isystem $(CUDA_INC) -o $@ $(DOUBLE_SRC) -ldl

# Plugins made for tests, good and bad, in a root of their own: build/<config>/fixtures/<kind>/<name>.so
FIXTURE_SRC := $(wildcard tests/fixtures/*/*.c)
FIXTURE_SO  := $(FIXTURE_SRC:tests/%.c=$(B)/%.so)
$(FIXTURE_SO): $(B)/%.so: tests/%.c sdk/plugin.mk
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(GANTRY_PLUGIN_CFLAGS) $(SANFLAGS) -MMD -MP -MT $@ -MF $(@:.so=.d) -Isdk/include -o $@ $< $(if $(SANFLAGS),,$(or $(FIXTURE_LDFLAGS),$(GANTRY_PLUGIN_LDFLAGS)))
$(B)/fixtures/bad/bad_startup_files.so: FIXTURE_LDFLAGS := -lm -lc
$(B)/fixtures/bad/bad_lazy_binding.so: FIXTURE_LDFLAGS := $(filter-out -Wl%,$(GANTRY_PLUGIN_LDFLAGS)) -Wl,-z,lazy,-z,relro,-z,noexecstack -lm
$(B)/fixtures/bad/bad_library.so: FIXTURE_LDFLAGS := $(GANTRY_PLUGIN_LDFLAGS) -Wl,--no-as-needed -lz

test-binaries: $(TEST_BIN) $(FIXTURE_SO) $(CUDA_DOUBLE)
	$(call drop_stale,$(B)/fixtures,$(FIXTURE_SO))
test: deps
	@$(MAKE) -j$(JOBS) gantry test-binaries
	@tests/run.sh $(B)

# The table of all pairs of techniques, sdk/docs/pairs.md, as the host answers now; a test says when it is not current.
pairs: deps
	@$(MAKE) -j$(JOBS) gantry $(B)/tests/train/test_pairs
	@GANTRY_WRITE_PAIRS=1 GANTRY_ROOT=$(CURDIR) GANTRY_BUILD=$(CURDIR)/$(B) $(B)/tests/train/test_pairs

# A real ablation on Fashion-MNIST; QUICK=1: a minute's worth of it.
demo: all
	@experiments/demo.sh $(QUICK)

# Long fuzzing: make fuzz SECONDS=3600
SECONDS ?= 60
fuzz: gantry
	@FOUND=1 tests/fuzz/fuzz.sh $(SECONDS)

# Every named place three times and 200 random SIGKILLs: the same bytes in the end (tests/chaos/RESULTS.md).
proof-chaos: all
	@tests/chaos/proof.sh

# The same recipe, trained by Gantry and by PyTorch, ends at the same distance (tests/peers/OUTCOME.md).
proof-outcome: all
	@tests/peers/outcome.sh

# The next seed of a ready experiment, and its table: make proof-ring8, proof-ladder, proof-grid25, proof-seven_losses_swapped, proof-seven_losses_companions
proof-%: all
	@experiments/proof.sh $*

parity: all
	@tests/peers/run.sh $(SEED)

# Sanitizers, valgrind and the rules on sources; what is left out is printed with its reason.
check: deps
	@tests/deps.sh $(CHECK_PACKAGES)
	@tests/deps.sh $(FUZZ_PACKAGES) || true # absent: the fuzzers are skipped with a reason
	@tests/check.sh

# The unit tests with one sanitizer.
asan: deps
	@tests/sanitize.sh address
ubsan: deps
	@tests/sanitize.sh undefined
tsan: deps
	@tests/sanitize.sh thread

# Does every test fail when it should? make mutants ONLY='ir_*'
ONLY ?= *
mutants: deps
	@tests/mutants.sh '$(ONLY)'

# Steps per second beside PyTorch on the same cores; make bench CASE=dcgan28 or CASE=kernels.
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
bench: deps
	@$(MAKE) -j$(JOBS) gantry $(BENCH_BIN)
	@tests/bench/run.sh $(B) $(CASE)

# The database alone: rows a second, bytes a row, waiting times.
bench-store: deps
	@$(MAKE) -j$(JOBS) gantry $(B)/bench/store_rows
	@tests/bench/store.sh $(B)

PREFIX  ?= /usr/local
DESTDIR ?=
# Everything finds the rest by where it lies itself, so a prefix may be moved.
TO      := $(DESTDIR)$(PREFIX)
install: all
	install -D -m 755 $(B)/gantry $(TO)/bin/gantry
	@for so in $(PLUGINS:$(B)/plugins/%=%); do install -D -m 644 $(B)/plugins/$$so $(TO)/lib/gantry/plugins/$$so || exit 1; done
	@cd sdk/include && find gantry -type f -exec install -D -m 644 {} $(TO)/include/{} \;
	install -D -m 644 sdk/gantry.pc $(TO)/lib/pkgconfig/gantry.pc
	install -D -m 644 -t $(TO)/share/gantry sdk/plugin.mk
	install -D -m 644 -t $(TO)/share/gantry/templates sdk/templates/*
	@for d in $(wildcard sdk/docs sdk/examples); do (cd sdk && find $${d#sdk/} -type f -exec install -D -m 644 {} $(TO)/share/doc/gantry/{} \;) || exit 1; done
	install -D -m 644 -t $(TO)/share/doc/gantry/experiments experiments/*.json experiments/FORMAT.md
	@mkdir -p $(TO)/share/man/man1 && sdk/man.sh $(B)/gantry | gzip -9n >$(TO)/share/man/man1/gantry.1.gz
	install -D -m 644 sdk/completion/gantry.bash $(TO)/share/bash-completion/completions/gantry
	install -D -m 644 sdk/completion/_gantry $(TO)/share/zsh/site-functions/_gantry
	install -D -m 644 sdk/completion/gantry.fish $(TO)/share/fish/vendor_completions.d/gantry.fish

VERSION := $(shell git describe --tags --always 2>/dev/null || echo 0)
# A folder that runs anywhere with the same or a newer C library: our binaries and their libraries, the GPU's checks among them; and the sources.
dist: deps
	@$(MAKE) -j$(JOBS) gantry test-binaries $(B)/bench/step_server
	@tests/dist.sh $(B) $(VERSION)
	git archive --format=tar.gz --prefix=gantry-$(VERSION)-source/ -o dist/gantry-$(VERSION)-source.tar.gz HEAD

# What needs a GPU (tests/gpu/check.sh), then the benchmark beside PyTorch (tests/bench/gpu/bench_gpu.py); both also run from the archive of `make dist`.
check-gpu: deps
	@$(MAKE) -j$(JOBS) gantry test-binaries
	@tests/gpu/check.sh
bench-gpu: deps
	@$(MAKE) -j$(JOBS) gantry $(B)/bench/step_server
	@tests/gpu/bench.sh $(CASE)

deps:
	@tests/deps.sh $(APT_PACKAGES)

clean:
	rm -rf build/release build/address build/undefined build/thread gantry

-include $(HOST_OBJ:.o=.d) $(patsubst %.so,%.d,$(filter %.so,$(PLUGINS))) $(CPU_SRC:%.c=$(B)/%.d) $(CUDA_SRC:%.c=$(B)/%.d) $(TEST_BIN:=.d) $(FIXTURE_SO:.so=.d)
