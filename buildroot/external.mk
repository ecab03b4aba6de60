include $(sort $(wildcard $(BR2_EXTERNAL_RUNNEL_PATH)/package/*/*.mk))
