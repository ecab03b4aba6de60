################################################################################
#
# runnel
#
################################################################################

RUNNEL_VERSION = 0.1.0
RUNNEL_SOURCE = runnel-$(RUNNEL_VERSION)-src.tar.gz
# Made by board/release-source. Releases that are kept elsewhere are found
# by BR2_PRIMARY_SITE.
RUNNEL_SITE = file://$(BR2_EXTERNAL_RUNNEL_PATH)/../dist
RUNNEL_LICENSE = MIT or Apache-2.0
RUNNEL_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

# Buildroot has a release profile of its own; these are what Cargo.toml has for
# devices.
RUNNEL_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=s \
	CARGO_PROFILE_RELEASE_LTO=fat \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_PANIC=abort

RUNNEL_FEATURES = \
	$(if $(BR2_PACKAGE_RUNNEL_RTMP),rtmp) \
	$(if $(BR2_PACKAGE_RUNNEL_RTSP),rtsp) \
	$(if $(BR2_PACKAGE_RUNNEL_HTTP),http) \
	$(if $(BR2_PACKAGE_RUNNEL_RECORD),record) \
	$(if $(BR2_PACKAGE_RUNNEL_TLS),tls) \
	$(if $(BR2_PACKAGE_RUNNEL_AUTH),auth) \
	$(if $(BR2_PACKAGE_RUNNEL_API),api) \
	$(if $(BR2_PACKAGE_RUNNEL_NOTIFY),notify)

# cargo builds once for each of the two steps, so both need the same choice
RUNNEL_CARGO_OPTS = --no-default-features --features "$(strip $(RUNNEL_FEATURES))"
RUNNEL_CARGO_BUILD_OPTS = $(RUNNEL_CARGO_OPTS)
RUNNEL_CARGO_INSTALL_OPTS = $(RUNNEL_CARGO_OPTS)

# The rest is the same for runnel-bin.

# The board's own configuration goes as it is; ours takes the profile.
RUNNEL_CONF = $(call qstrip,$(BR2_PACKAGE_RUNNEL_CONF))
RUNNEL_CONF_EDIT = -e 's/^profile = .*/profile = $(BR2_PACKAGE_RUNNEL_PROFILE)/'

# systemd keeps the log and chooses the user.
ifeq ($(BR2_INIT_SYSTEMD),y)
RUNNEL_CONF_EDIT += -e '/^user = /d' -e '/^target = /d'
endif

define RUNNEL_INSTALL_CONF
	$(INSTALL) -d -m 0755 $(TARGET_DIR)/etc
	$(if $(RUNNEL_CONF),cat $(RUNNEL_CONF), \
		sed $(RUNNEL_CONF_EDIT) $(BR2_EXTERNAL_RUNNEL_PATH)/package/runnel/runnel.toml) \
		> $(TARGET_DIR)/etc/runnel.toml
endef
RUNNEL_POST_INSTALL_TARGET_HOOKS += RUNNEL_INSTALL_CONF

define RUNNEL_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(BR2_EXTERNAL_RUNNEL_PATH)/package/runnel/S80runnel \
		$(TARGET_DIR)/etc/init.d/S80runnel
endef

define RUNNEL_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(BR2_EXTERNAL_RUNNEL_PATH)/package/runnel/runnel.service \
		$(TARGET_DIR)/usr/lib/systemd/system/runnel.service
endef

define RUNNEL_USERS
	runnel -1 runnel -1 * - - - runnel streaming server
endef

$(eval $(cargo-package))
