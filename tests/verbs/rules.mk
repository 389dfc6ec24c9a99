# SPDX-License-Identifier: GPL-2.0
# How the programs of a folder are built into $(O): each from a source of its name and $(library), which are
# objects of the folder, of the library beside this file ($(O)/verbs/lib) and of userspace/libodp
# ($(O)/libodp). The Makefile that includes it has set $(programs), $(library), $(headers), CFLAGS and LDLIBS.
rules_dir := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
libodp := $(rules_dir)/../../userspace/libodp

all: $(addprefix $(O)/,$(programs))

$(O)/verbs/%.o: $(rules_dir)/%.c $(headers)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(O)/libodp/%.o: $(libodp)/%.c $(wildcard $(libodp)/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(O)/%.o: %.c $(headers)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(O)/%: $(O)/%.o $(library)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

clean:
	rm -rf $(O)

.PHONY: all clean
.SECONDARY:
