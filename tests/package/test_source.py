"""The source release: the same bytes each time, and a build that needs no network."""

import functools
import os
import shutil
import tarfile
from pathlib import Path

import places
from tree import Tree

CACHE = (
    Path(os.environ.get("RUNNEL_TEST_CACHE", Path.home() / ".cache" / "runnel-tests")) / "package"
)
VERSION = places.cargo()["package"]["version"]
TITLE = f"runnel-{VERSION}"
# A choice that is not the default, so that it shows whether it was heeded.
FEATURES = ("RTMP", "HTTP")
# That it builds and installs shows alike without the passes of the profile, which take most
# of the time; test_buildroot_steps holds that Buildroot asks for the profile as it is.
QUICK = {
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}


def release(root, folder):
    places.output(root / "board" / "release-source", "-o", folder)
    return Path(folder) / f"{TITLE}-src.tar.gz"


def git(*words):
    return places.output("git", "-C", places.ROOT, *words).strip()


@functools.cache
def this_release():
    return release(places.ROOT, CACHE / "dist")


class Source(Tree):
    def setUp(self):
        super().setUp()
        self.archive = this_release()

    def test_another_clone_gives_the_same_bytes(self):
        clone = self.folder / "elsewhere"
        places.output("git", "clone", "-q", places.ROOT, clone)
        places.output("git", "-C", clone, "checkout", "-q", git("rev-parse", "HEAD"))
        again = release(clone, self.folder / "dist")
        self.assertEqual(again.read_bytes(), self.archive.read_bytes())

    def test_it_tells_nothing_of_the_machine(self):
        time = int(git("log", "-1", "--format=%ct", "--", ".", ":!buildroot"))
        with tarfile.open(self.archive) as archive:
            members = archive.getmembers()
        names = [member.name for member in members]
        self.assertIn(f"{TITLE}/VENDOR", names)
        self.assertIn(f"{TITLE}/.cargo/config.toml", names)
        self.assertFalse([name for name in names if name.startswith(f"{TITLE}/buildroot")])
        self.assertEqual(
            {(member.uid, member.gid, member.mtime) for member in members}, {(0, 0, time)}
        )

    def test_buildroots_steps_build_and_install_it_without_a_network(self):
        kconf = self.kconfig("BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS", "BR2_PACKAGE_RUNNEL")
        for name in places.cargo()["features"]["default"]:
            value = "y" if name.upper() in FEATURES else "n"
            kconf.syms[f"BR2_PACKAGE_RUNNEL_{name.upper()}"].set_value(value)
        self.assertEqual(self.make(kconf, "print-RUNNEL_SOURCE"), self.archive.name)
        # always in the same place, so that cargo finds what it built before
        source = CACHE / TITLE
        shutil.rmtree(source, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        places.output("tar", "-C", CACHE, "-xf", self.archive)
        environment = {
            **os.environ,
            # an empty one, so that nothing comes from what was downloaded before
            "CARGO_HOME": str(self.folder / "cargo"),
            "CARGO_TARGET_DIR": str(CACHE / "target"),
            **dict(word.split("=") for word in self.make(kconf, "print-RUNNEL_CARGO_ENV").split()),
            **QUICK,
        }
        build = self.make(kconf, "print-RUNNEL_CARGO_BUILD_OPTS")
        install = self.make(kconf, "print-RUNNEL_CARGO_INSTALL_OPTS")
        usr = self.folder / "usr"
        for command in (
            f"cargo build --offline --release --manifest-path Cargo.toml --locked {build}",
            f"cargo install --offline --root {usr}/ --bins --path ./ --force --locked {install}",
        ):
            places.output("unshare", "--net", "sh", "-c", command, cwd=source, env=environment)
        self.assertEqual([path.name for path in (usr / "bin").iterdir()], ["runnel"])
        self.assertIn(VERSION, places.output(usr / "bin" / "runnel", "--version"))
