# lead_scoring: built with PGXS, in the tree or beside it (VPATH).
#
#   make [PG_CONFIG=...]        build the library and the install script
#   make install [DESTDIR=...]  install both
#   make installcheck           pg_regress and isolation tests on a server where it is installed
#
# test/check does all of it from nothing.

EXTENSION = lead_scoring
LS_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
LS_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(LS_DIR)/lead_scoring.control)

MODULE_big = lead_scoring
OBJS = $(patsubst $(LS_DIR)/%.c,%.o,$(sort $(wildcard $(LS_DIR)/src/*.c)))

LS_PARTS = $(sort $(wildcard $(LS_DIR)/sql/install/*.sql))
LS_SCRIPT = lead_scoring--$(LS_VERSION).sql
DATA_built = $(LS_SCRIPT)
DATA = $(patsubst $(LS_DIR)/%,%,$(wildcard $(LS_DIR)/sql/upgrade/lead_scoring--*--*.sql))
EXTRA_CLEAN = lead_scoring--*.sql

REGRESS = $(sort $(notdir $(basename $(wildcard $(LS_DIR)/sql/*.sql))))
REGRESS_OPTS = --inputdir=$(LS_DIR) --encoding=UTF8
ISOLATION = $(sort $(notdir $(basename $(wildcard $(LS_DIR)/test/isolation/specs/*.spec))))
ISOLATION_OPTS = --inputdir=$(LS_DIR)/test/isolation --outputdir=output_iso

PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers
# The same score on every machine: no fused multiply-add, in bitcode neither.
PG_CPPFLAGS = -ffp-contract=off -I$(LS_DIR)/src -DLEAD_SCORING_VERSION='"$(LS_VERSION)"'

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(LS_SCRIPT): $(LS_PARTS) $(LS_DIR)/lead_scoring.control
	cat $(LS_PARTS) > $@

# Headers are few and shared: any change of one rebuilds all.
$(OBJS) $(OBJS:.o=.bc): $(wildcard $(LS_DIR)/src/*.h) | src-dir
.PHONY: src-dir
src-dir:
	@mkdir -p src
