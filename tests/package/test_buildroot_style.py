"""The rules of Buildroot's utils/check-package that files here could break."""

import re
import unittest

import places

TREE = places.BUILDROOT
FILES = [path for path in sorted(TREE.rglob("*")) if path.is_file()]
MAKEFILES = [path for path in FILES if path.suffix == ".mk" and path.name != "external.mk"]
OPTIONS = [path for path in FILES if path.name == "Config.in"]


def lines(paths):
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            yield f"{path.relative_to(TREE)}:{number}: {line}", line


class Style(unittest.TestCase):
    def assert_none(self, faults):
        self.assertEqual(list(faults), [])

    def test_the_tree_is_complete(self):
        self.assertRegex((TREE / "external.desc").read_text(), r"\Aname: RUNNEL\ndesc: .+\n\Z")
        for name in ("external.mk", "Config.in"):
            self.assertTrue((TREE / name).exists())
        self.assertGreater(len(MAKEFILES), 1)
        self.assertGreater(len(OPTIONS), 2)

    def test_lines_end_well(self):
        for path in FILES:
            text = path.read_text()
            with self.subTest(path=path):
                self.assertIsNone(re.search(r"[ \t]\n|\n\n\n|\n\n\Z|[^\n]\Z", text))
                text.encode("ascii")

    def test_only_scripts_for_people_can_be_run(self):
        self.assert_none(
            path for path in FILES if path.stat().st_mode & 0o111 and path.name != "update-hashes"
        )

    def test_help_has_62_columns(self):
        helps = (pair for pair in lines(OPTIONS) if pair[1].startswith("\t  "))
        self.assert_none(place for place, line in helps if len(line) > len("\t  ") + 62)

    def test_options_are_indented_by_one_tab(self):
        words = r"(bool|default|depends|help|prompt|select|string)\b"
        self.assert_none(
            place
            for place, line in lines(OPTIONS)
            if re.match(rf"\s*{words}", line) and not re.match(rf"\t{words}|\t  ", line)
        )

    def test_attributes_come_in_order(self):
        order = {
            "bool": 1,
            "prompt": 1,
            "string": 1,
            "default": 2,
            "depends": 3,
            "select": 4,
            "help": 5,
        }
        state = 0
        for place, line in lines(OPTIONS):
            if line.startswith("\t  ") or not line.startswith("\t"):
                state = 0 if re.match(r"\w", line) else state
                continue
            new = order.get(line.split()[0], state)
            self.assertGreaterEqual(new, state, place)
            state = new

    def test_makefiles_have_their_head(self):
        rule = "#" * 80
        for path in MAKEFILES:
            with self.subTest(path=path):
                head = f"{rule}\n#\n# {path.stem}\n#\n{rule}\n\n"
                self.assertTrue(path.read_text().startswith(head))

    def test_a_packages_variables_bear_its_name(self):
        for path in MAKEFILES:
            prefix = path.stem.upper().replace("-", "_") + "_"
            for place, line in lines([path]):
                name = re.match(r"(?:define )?([A-Z0-9_]+)\b(?: [:+?]?=|$)", line)
                self.assertTrue(name is None or name[1].startswith(prefix), place)

    def test_makefiles_use_tabs_and_parentheses(self):
        self.assert_none(place for place, line in lines(MAKEFILES) if re.match(r" +\S", line))
        self.assert_none(
            place for place, line in lines(MAKEFILES) if re.search(r"[^$]\$\{\w+\}", line)
        )
        self.assert_none(
            place for place, line in lines(MAKEFILES) if re.search(r"(  |\t)\\$", line)
        )

    def test_hashes_have_two_spaces(self):
        hashes = [path for path in FILES if path.suffix == ".hash"]
        self.assertGreater(len(hashes), 1)
        listed = (pair for pair in lines(hashes) if not pair[1].startswith("#"))
        self.assert_none(
            place for place, line in listed if not re.fullmatch(r"sha256  [0-9a-f]{64}  \S+", line)
        )

    def test_the_start_script_names_daemon_and_pid_file(self):
        text = (TREE / "package" / "runnel" / "S80runnel").read_text()
        self.assertIn('\nDAEMON="runnel"\nPIDFILE="/var/run/$DAEMON.pid"\n', text)
        self.assertIsNone(re.search(r"^\t* ", text, re.MULTILINE))

    def test_no_package_can_break_the_others(self):
        # a local site that is empty stops every goal of make, whatever is chosen
        self.assert_none(place for place, line in lines(MAKEFILES) if "SITE_METHOD = local" in line)
