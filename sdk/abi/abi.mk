# abi.mk - the gates of the ABI that belong to the build (ABI.md): a lock on layout, signatures and numbers in every build, and how to record a change.
ABI_HEADERS := $(wildcard sdk/include/gantry/*.h) sdk/include/gantry/ops.def
ABI_FROZEN  := $(shell sed -n 's/^.define GANTRY_ABI_MAJOR \([1-9].*\)/\1/p' sdk/include/gantry/abi.h)

# Before the freeze at 1.0 a change is told; after it the build fails.
$(B)/sdk/abi/lock: sdk/abi/lock.c sdk/abi/lock_v0.h $(ABI_HEADERS)
	@mkdir -p $(@D)
	@if $(CC) -std=c11 -fsyntax-only -Isdk/include sdk/abi/lock.c 2>$@.said; then touch $@; \
	else sed -n 's/.*error: \(static assertion failed: \)\{0,1\}/  ABI  changed since the last dump: /p' $@.said | head -5; \
	  echo '  ABI  if that is meant, record it: make abi-dump (sdk/abi/ABI.md)'; [ -z "$(ABI_FROZEN)" ] && touch $@; fi

# Everything that is exported by a plugin reaches every type of the boundary; what abidw sees of it is committed.
$(B)/abi/probe.so: tests/abi/probe.c $(ABI_HEADERS)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -g -O0 -fPIC -shared -nostartfiles -Isdk/include -o $@ $<

.PHONY: abi-dump
abi-dump: $(B)/abi/probe.so
	@tests/deps.sh abigail-tools
	python3 sdk/abi/make_lock.py
	abidw --no-show-locs --no-corpus-path --no-comp-dir-path --out-file sdk/abi/v0.abi $(B)/abi/probe.so
