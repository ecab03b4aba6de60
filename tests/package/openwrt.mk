# The part of OpenWrt that the packages' Makefiles are read with in
# tests/package: it stands in for rules.mk, and for what the others include.
# "make print-VARIABLE" and "make run RECIPE=NAME" say and do one of a package's.

INCLUDE_DIR = $(TOPDIR)
BUILD_DIR = $(TOPDIR)/build
PKG_INSTALL_DIR = $(TOPDIR)/built
INSTALL_DIR = install -d -m 0755
INSTALL_BIN = install -m 0755
INSTALL_CONF = install -m 0600
BuildPackage =

.DEFAULT_GOAL = none

print-%:
	@printf '%s\n' '$(strip $($*))'

run:
	@$(call $(RECIPE),$(TARGET_DIR))
