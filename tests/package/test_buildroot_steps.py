"""The tree for Buildroot: what its packages install, and what they are told of the archives."""

import shutil
import tempfile
import unittest
from pathlib import Path

import places
from tree import Tree

RUNNEL = places.BUILDROOT / "package" / "runnel"
RUNNEL_BIN = places.BUILDROOT / "package" / "runnel-bin"


class Steps(Tree):
    def installed(self, *yes, recipe="RUNNEL_INSTALL_CONF", **strings):
        kconf = self.kconfig("BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS", *yes)
        for name, value in strings.items():
            kconf.syms[name].set_value(value)
        self.make(kconf, f"run-{recipe}")
        return self.folder / "target"

    def conf(self, *yes, **strings):
        return (self.installed(*yes, **strings) / "etc/runnel.toml").read_text()

    def test_the_profile_reaches_the_configuration(self):
        self.assertIn('profile = "auto"\n', self.conf("BR2_PACKAGE_RUNNEL"))
        text = self.conf("BR2_PACKAGE_RUNNEL", "BR2_PACKAGE_RUNNEL_PROFILE_TINY")
        self.assertIn('profile = "tiny"\n', text)
        self.assertIn('target = "syslog"\n', text)

    def test_every_variant_of_it_is_sound(self):
        for yes in ((), ("BR2_INIT_SYSTEMD",)):
            self.conf("BR2_PACKAGE_RUNNEL", *yes)
            places.output(places.RUNNEL, "--plan", "-c", self.folder / "target/etc/runnel.toml")

    def test_systemd_keeps_log_and_user(self):
        text = self.conf("BR2_PACKAGE_RUNNEL", "BR2_INIT_SYSTEMD")
        self.assertNotIn("target =", text)
        self.assertNotIn("user =", text)

    def test_a_boards_own_configuration_goes_as_it_is(self):
        board = places.BOARD / "raspberrypi-zero" / "runnel.toml"
        text = self.conf("BR2_PACKAGE_RUNNEL", BR2_PACKAGE_RUNNEL_CONF=str(board))
        self.assertEqual(text, board.read_text())

    def test_the_init_files_are_installed(self):
        for recipe in ("RUNNEL_INSTALL_INIT_SYSV", "RUNNEL_BIN_INSTALL_INIT_SYSV"):
            shutil.rmtree(self.folder / "target", ignore_errors=True)
            script = self.installed(recipe=recipe) / "etc/init.d/S80runnel"
            self.assertEqual(script.stat().st_mode & 0o777, 0o755)
            self.assertEqual(script.read_bytes(), (places.BOARD / "init" / "runnel").read_bytes())
        unit = (
            self.installed(recipe="RUNNEL_INSTALL_INIT_SYSTEMD")
            / "usr/lib/systemd/system/runnel.service"
        )
        self.assertEqual(
            unit.read_bytes(), (places.BOARD / "systemd" / "runnel.service").read_bytes()
        )

    def test_the_prebuilt_program_is_installed(self):
        (self.folder / "runnel").write_text("the program")
        target = self.installed(
            "BR2_x86_64", "BR2_PACKAGE_RUNNEL_BIN", recipe="RUNNEL_BIN_INSTALL_TARGET_CMDS"
        )
        program = target / "usr/bin/runnel"
        self.assertEqual(program.read_text(), "the program")
        self.assertEqual(program.stat().st_mode & 0o777, 0o755)
        self.assertIn('profile = "auto"', (target / "etc/runnel.toml").read_text())

    def test_the_prebuilt_archive_is_what_is_released(self):
        kconf = self.kconfig("BR2_x86_64", "BR2_PACKAGE_RUNNEL_BIN")
        version = places.cargo()["package"]["version"]
        self.assertEqual(
            self.make(kconf, "print-RUNNEL_BIN_SOURCE"), f"runnel-{version}-x86_64.tar.gz"
        )

    def test_versions_and_the_profile_for_devices_are_those_of_cargo(self):
        cargo = places.cargo()
        kconf = self.kconfig("BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS", "BR2_PACKAGE_RUNNEL")
        for package in ("RUNNEL", "RUNNEL_BIN"):
            self.assertEqual(
                self.make(kconf, f"print-{package}_VERSION"), cargo["package"]["version"]
            )
        told = dict(word.split("=") for word in self.make(kconf, "print-RUNNEL_CARGO_ENV").split())
        self.assertEqual(told, places.device_profile())


class Hashes(unittest.TestCase):
    def test_the_licences_are_those(self):
        for folder in (RUNNEL, RUNNEL_BIN):
            listed = {}
            for line in (folder / f"{folder.name}.hash").read_text().splitlines():
                if not line.startswith("#"):
                    kind, value, name = line.split("  ")
                    self.assertEqual(kind, "sha256")
                    listed[name] = value
            for name in ("LICENSE-MIT", "LICENSE-APACHE"):
                actual = places.output("sha256sum", places.ROOT / name).split()[0]
                self.assertEqual(listed[name], actual)

    def test_update_hashes_lists_what_is_in_dist(self):
        with tempfile.TemporaryDirectory(prefix="runnel-hashes-") as folder:
            tree, dist = Path(folder, "buildroot"), Path(folder, "dist")
            shutil.copytree(places.BUILDROOT, tree)
            dist.mkdir()
            for name in (
                "runnel-9.9-src.tar.gz",
                "runnel-9.9-mipsel.tar.gz",
                "runnel-9.9-arm.tar.gz",
            ):
                (dist / name).write_text(name)
            for _ in range(2):
                places.output(tree / "update-hashes", dist)
            for package, names in (("runnel", ["src"]), ("runnel-bin", ["arm", "mipsel"])):
                lines = (tree / "package" / package / f"{package}.hash").read_text().splitlines()
                sums = [line for line in lines if line.endswith(".tar.gz")]
                wanted = [
                    "  ".join(["sha256", places.output("sha256sum", dist / name).split()[0], name])
                    for name in (f"runnel-9.9-{target}.tar.gz" for target in names)
                ]
                self.assertEqual(sums, wanted)
                self.assertEqual(sum("LICENSE" in line for line in lines), 2)
