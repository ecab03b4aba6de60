################################################################################
#
# runnel-bin
#
################################################################################

RUNNEL_BIN_VERSION = 0.1.0
RUNNEL_BIN_TARGET = $(call qstrip,$(BR2_PACKAGE_RUNNEL_BIN_TARGET))
RUNNEL_BIN_SOURCE = runnel-$(RUNNEL_BIN_VERSION)-$(RUNNEL_BIN_TARGET).tar.gz
# Made by board/build. Releases that are kept elsewhere are found by
# BR2_PRIMARY_SITE.
RUNNEL_BIN_SITE = file://$(BR2_EXTERNAL_RUNNEL_PATH)/../dist
RUNNEL_BIN_LICENSE = MIT or Apache-2.0
RUNNEL_BIN_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

# The program is static: no C library is called, and none need be built first.
RUNNEL_BIN_ADD_TOOLCHAIN_DEPENDENCY = NO

define RUNNEL_BIN_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/runnel $(TARGET_DIR)/usr/bin/runnel
	$(RUNNEL_INSTALL_CONF)
endef

RUNNEL_BIN_INSTALL_INIT_SYSV = $(RUNNEL_INSTALL_INIT_SYSV)
RUNNEL_BIN_INSTALL_INIT_SYSTEMD = $(RUNNEL_INSTALL_INIT_SYSTEMD)

# Not that of runnel, which is read after this file.
define RUNNEL_BIN_USERS
	runnel -1 runnel -1 * - - - runnel streaming server
endef

$(eval $(generic-package))
