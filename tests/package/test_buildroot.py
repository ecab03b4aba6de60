"""The tree for Buildroot: its options and its defconfigs."""

import re

import places
from tree import BUILDROOT_SYMBOLS, Tree

# The options that a processor's choice in a defconfig brings along in Buildroot.
IMPLIED = {
    "BR2_cortex_a7": ("BR2_ARM_CPU_ARMV7A", "BR2_ARM_CPU_HAS_VFPV3"),
    "BR2_mips_32r2": ("BR2_MIPS_CPU_MIPS32R2",),
    "BR2_RISCV_64": ("BR2_RISCV_ISA_RVD",),
}
CONFIGS = sorted((places.BUILDROOT / "configs").glob("*_defconfig"))


class Options(Tree):
    def test_kconfig_reads_them_without_a_warning(self):
        self.assertEqual(self.kconfig().warnings, [])

    def test_the_features_are_those_of_cargo(self):
        features = places.cargo()["features"]
        kconf = self.kconfig("BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS", "BR2_INIT_SYSTEMD")
        kconf.syms["BR2_PACKAGE_RUNNEL"].set_value("y")
        chosen = self.make(kconf, "print-RUNNEL_FEATURES").split()
        self.assertEqual(sorted(chosen), sorted(features["default"]))

    def test_a_feature_brings_what_it_needs(self):
        features = places.cargo()["features"]
        for name in features["default"]:
            needs = {need for need in features[name] if need in features["default"]}
            kconf = self.kconfig(
                "BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS", "BR2_PACKAGE_RUNNEL"
            )
            for other in features["default"]:
                value = "y" if other == name else "n"
                kconf.syms[f"BR2_PACKAGE_RUNNEL_{other.upper()}"].set_value(value)
            chosen = set(self.make(kconf, "print-RUNNEL_FEATURES").split())
            with self.subTest(feature=name):
                self.assertLessEqual(needs | {name}, chosen)

    def test_mips_has_the_prebuilt_package_alone(self):
        kconf = self.kconfig(
            "BR2_mipsel", "BR2_MIPS_CPU_MIPS32R2", "BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS"
        )
        self.assertEqual(kconf.syms["BR2_PACKAGE_RUNNEL"].visibility, 0)
        self.assertEqual(kconf.syms["BR2_PACKAGE_RUNNEL_BIN"].visibility, 2)

    def test_every_prebuilt_target_is_one_that_is_built(self):
        rows = [line.split() for line in (places.BOARD / "targets").read_text().splitlines()]
        built = {row[0] for row in rows if row and row[0] != "#"}
        text = (places.BUILDROOT / "package" / "runnel-bin" / "Config.in").read_text()
        self.assertEqual(set(re.findall(r'default "(\w+)"', text)), built)


class Defconfigs(Tree):
    def chosen(self, path):
        """The options of a defconfig, with what Buildroot would conclude."""
        yes = [
            line.removesuffix("=y") for line in path.read_text().splitlines() if line.endswith("=y")
        ]
        implied = [name for line in yes for name in IMPLIED.get(line, ())]
        rust = ("BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS",) if self.rust_serves(yes) else ()
        known = [name for name in (*yes, *implied, *rust) if name in BUILDROOT_SYMBOLS]
        kconf = self.kconfig(*known)
        for name in yes:
            if name.startswith("BR2_PACKAGE_RUNNEL"):
                kconf.syms[name].set_value("y")
        return kconf, yes

    def rust_serves(self, yes):
        """Whether Buildroot's Rust has a standard library for these choices."""
        musl = "BR2_TOOLCHAIN_BUILDROOT_MUSL" in yes and "BR2_TOOLCHAIN_BUILDROOT_CXX" in yes
        glibc = "BR2_TOOLCHAIN_BUILDROOT_GLIBC" in yes
        return {
            "BR2_aarch64": musl or glibc,
            "BR2_arm": musl or glibc,
            "BR2_x86_64": musl or glibc,
            "BR2_riscv": glibc and "BR2_RISCV_ISA_RVC" in yes,
            # these have no other C library than glibc there
            "BR2_powerpc64le": True,
            "BR2_s390x": True,
            "BR2_mipsel": False,
        }[next(name for name in yes if name in BUILDROOT_SYMBOLS)]

    def test_each_chooses_the_program_for_its_machine(self):
        self.assertGreater(len(CONFIGS), 5)
        for path in CONFIGS:
            with self.subTest(path=path.name):
                kconf, yes = self.chosen(path)
                for name in yes:
                    if name.startswith("BR2_PACKAGE_RUNNEL"):
                        self.assertEqual(kconf.syms[name].str_value, "y", name)
                packages = ("BR2_PACKAGE_RUNNEL", "BR2_PACKAGE_RUNNEL_BIN")
                self.assertEqual(sum(name in yes for name in packages), 1)

    def test_saving_one_changes_nothing_of_ours(self):
        for path in CONFIGS:
            with self.subTest(path=path.name):
                kconf, yes = self.chosen(path)
                saved = self.folder / "defconfig"
                kconf.write_min_config(str(saved))
                ours = [line for line in saved.read_text().splitlines() if "RUNNEL" in line]
                self.assertEqual(ours, [f"{name}=y" for name in yes if "RUNNEL" in name])

    def test_each_keeps_its_root_read_only_and_its_hashes_checked(self):
        for path in CONFIGS:
            with self.subTest(path=path.name):
                lines = path.read_text().splitlines()
                self.assertIn("# BR2_TARGET_GENERIC_REMOUNT_ROOTFS_RW is not set", lines)
                self.assertIn("BR2_DOWNLOAD_FORCE_CHECK_HASHES=y", lines)
