"""Every script in board, buildroot and here."""

import unittest

import places

BUSYBOX = ("board/init/runnel", "board/openwrt/runnel/files/runnel.init", "tests/package/rc.common")


def scripts():
    for path in places.ours("*"):
        first = path.read_bytes().split(b"\n", 1)[0]
        if first.startswith(b"#!") and b"sh" in first and b"python" not in first:
            yield path


class Scripts(unittest.TestCase):
    def test_there_are_some(self):
        names = {str(path.relative_to(places.ROOT)) for path in scripts()}
        self.assertLessEqual({"board/build", "board/release-source", *BUSYBOX}, names)

    def test_shellcheck_finds_nothing(self):
        for path in scripts():
            with self.subTest(path=path):
                self.assertEqual(
                    places.output("shellcheck", "-x", path, ok=False, cwd=places.ROOT), ""
                )

    def test_busybox_reads_what_devices_run(self):
        for name in BUSYBOX:
            with self.subTest(name=name):
                self.assertEqual(
                    places.output("busybox", "sh", "-n", places.ROOT / name, ok=False), ""
                )
                # what BusyBox has is what dash has, and "local"
                places.output("shellcheck", "-s", "dash", places.ROOT / name)

    def test_those_for_people_can_be_run(self):
        for path in scripts():
            if "bash" in path.read_text().split("\n", 1)[0]:
                with self.subTest(path=path):
                    self.assertTrue(path.stat().st_mode & 0o100)
