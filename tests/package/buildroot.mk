# The part of Buildroot that the packages' .mk files are read with in
# tests/package: a make that knows the few words they use. CONFIG is a file of
# Kconfig's; "make print-VARIABLE" and "make run-RECIPE" say and do one of them.

include $(CONFIG)

qstrip = $(strip $(subst ",,$(1)))
INSTALL = install
cargo-package =
generic-package =

include $(BR2_EXTERNAL_RUNNEL_PATH)/external.mk

print-%:
	@printf '%s\n' '$(subst ','\'',$($*))'

run-%:
	@$($*)
