# winnow: `make` builds, `make check` is the whole gate, `make demo` curates WordNet,
# `make install` puts library, headers and command under PREFIX. CMake does the work.
BUILD ?= build
JOBS  ?= $(shell nproc)

all: deps
	@cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release > $(BUILD)-cmake.log 2>&1 || (cat $(BUILD)-cmake.log; exit 1)
	@mv $(BUILD)-cmake.log $(BUILD)/cmake.log
	@cmake --build $(BUILD) -j $(JOBS)

deps:
	@tools/install_deps.sh

check:
	@tools/check.sh

demo: all
	@tools/demo.sh $(BUILD)

bench: all
	@bench/run.sh $(BUILD)

# To PREFIX, with a winnow.pc for pkg-config.
PREFIX ?= /usr/local
install: all
	cmake --install $(BUILD) --prefix $(PREFIX)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build build-*

.PHONY: all deps check demo bench install format clean
