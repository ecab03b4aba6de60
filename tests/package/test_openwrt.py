"""OpenWrt's init script, under BusyBox, with the real program; rc.common is the test's own."""

import json
import re
import shutil
import tomllib

import inside
import places

RUN = "/etc/init.d/runnel"
# Defines what the script has, and does nothing.
READ = f"set -- {RUN} ''; . /etc/rc.common"


REFERENCE = (places.ROOT / "conf" / "reference.toml").read_text()


def uci(head, keys):
    """A section of a configuration file of OpenWrt's."""
    lines = [f"config {head}"]
    for key, value in keys.items():
        value = int(value) if isinstance(value, bool) else value
        value = " ".join(value) if isinstance(value, list) else value
        lines.append(f"\toption {key} '{value}'")
    return "\n".join(lines) + "\n\n"


class Router(inside.Device):
    def setUp(self):
        super().setUp()
        self.service(places.OPENWRT / "files" / "runnel.init")
        shutil.copy(places.ROOT / "tests" / "package" / "rc.common", self.root / "etc/rc.common")
        self.config((places.OPENWRT / "files" / "runnel.config").read_text())

    def config(self, text):
        self.put("etc/config/runnel", text)

    def toml(self):
        return tomllib.loads("\n".join(self.run_inside(f"{READ}; toml")))


class Shipped(Router):
    """With the program for devices, as runnel-bin has it."""

    def test_the_configuration_that_comes_with_it_serves(self):
        self.assert_serves()

    def test_the_configuration_for_mt76x8_serves(self):
        self.config((places.BOARD / "openwrt-mt76x8" / "runnel.config").read_text())
        self.assert_serves()

    def assert_serves(self):
        self.run_inside(f"""
            {RUN} start; echo "start $?"
            healthy
            pid=$(cat /var/run/procd/pid)
            grep "^Uid" "/proc/$pid/status"
            grep "open files" "/proc/$pid/limits" | tr -s " "
            {RUN} stop
            gone() {{ [ "$(alive "$pid")" = "gone" ]; }}
            await gone && echo "stopped"
            """)
        self.assert_says(
            "start 0",
            "healthy",
            r"Uid:\t800\t800\t800\t800",
            "Max open files 4096 4096 files ?",
            "stopped",
        )


class ShippedFromSource(Shipped):
    """With one that cargo built, as the package from source has it."""

    program = places.FULL


class OpenWrt(Router):
    def test_sections_become_tables(self):
        self.config("""
            config table 'rtmp'
                option enable 'off'
                option listen '127.0.0.1:1935'
            config table 'viewers'
                option max '12'
            config server 'server'
                option enabled '1'
                option profile 'tiny'
                option threads '2'
            config table 'memory'
                option total '9MiB'
                option prefault '1'
            """)
        wanted = {
            "profile": "tiny",
            "threads": 2,
            "rtmp": {"enable": False, "listen": "127.0.0.1:1935"},
            "viewers": {"max": 12},
            "memory": {"total": "9MiB", "prefault": True},
        }
        self.assertEqual(self.toml(), wanted)

    def test_relays_become_entries(self):
        self.config("""
            config pull
                option stream '110'
                option url 'rtsp://u:p@10.0.0.7/'
                option on_demand '1'
            config table 'rtsp'
                option udp '0'
            config push 'other'
                option stream '110'
                option url 'rtmp://10.0.0.8/live/a'
            config pull
                option stream 'b'
                option url 'rtmp://10.0.0.9/live/b'
            """)
        wanted = {
            "rtsp": {"udp": False},
            "pull": [
                {"stream": "110", "url": "rtsp://u:p@10.0.0.7/", "on_demand": True},
                {"stream": "b", "url": "rtmp://10.0.0.9/live/b"},
            ],
            "push": [{"stream": "110", "url": "rtmp://10.0.0.8/live/a"}],
        }
        self.assertEqual(self.toml(), wanted)

    def test_no_value_breaks_out_of_its_string(self):
        self.config(r"""
            config server 'server'
                option profile 'a"b\c'
            config table 'http'
                option enable 'per"haps'
                option listen ''
            """)
        wanted = {"profile": 'a"b\\c', "http": {"enable": 'per"haps', "listen": ""}}
        self.assertEqual(self.toml(), wanted)

    def test_every_key_arrives_with_its_type(self):
        """With the value of the reference; and the program takes it all."""
        reference = tomllib.loads(REFERENCE)
        tables = {name: keys for name, keys in reference.items() if isinstance(keys, dict)}
        above = {name: key for name, key in reference.items() if not isinstance(key, dict | list)}
        entries = {name: self.entry(name) for name in ("access", "pull", "push", "record", "notify", "exec", "tls.more")}
        # a rule has one demand
        about = ("action", "streams", "from", "protocols", "allow")
        entries["access"] = {key: entries["access"][key] for key in about}
        self.assertEqual(set(reference), {*tables, *above, *entries} - {"tls.more"})
        # what must be so where there are entries
        tables["tls"].update(cert="/c.pem", key="/k.pem", more=[])
        tables["memory"]["total"] = "200MiB"
        tables["connections"]["proxies"] = ["10.0.0.2", "2001:db8::2"]
        tables["connections"].update(trusted_proxies=["127.0.0.1"], proxy_protocol=["rtmp", "https"])
        tables["api"].update(hosts=["box.lan"], origins=["https://box.lan", "https://b.lan"])
        sections = [uci("server", above)]
        for name, keys in tables.items():
            said = {key: value for key, value in keys.items() if value != []}
            sections.append(uci(f"table {name!r}", said))
        for name, keys in entries.items():
            sections.append(uci("certificate" if name == "tls.more" else name, keys))
        self.config("".join(sections))
        tables["tls"]["more"] = [entries.pop("tls.more")]
        lists = {name: [keys] for name, keys in entries.items()}
        self.assertEqual(self.toml(), {**above, **tables, **lists})
        self.put("tmp/all.toml", "\n".join(self.run_inside(f"{READ}; toml")))
        places.output(places.RUNNEL, "--plan", "-c", self.root / "tmp/all.toml")

    def entry(self, name):
        """Every key that the program takes in such a table, as the reference explains it."""
        self.put("tmp/wrong.toml", f"[[{name}]]\nnonsense = 1\n")
        said = places.output(
            *(places.RUNNEL, "--plan", "-c", self.root / "tmp/wrong.toml"), ok=False
        )
        keys = re.search("unknown key; there are (.*)", said).group(1).split(", ")
        comment = re.search(rf"((?:^#.*\n)+){name.rpartition('.')[2]} = \[\]$", REFERENCE, re.M)
        values = {}
        for key in keys:
            found = re.search(rf"\b{key} = (true|\[[^\]]*\]|\"[^\"]*\"|FILE|KEY)", comment.group(1))
            # of a push the URL is that of a pull
            value = found.group(1) if found else '"rtsp://10.0.0.7/"' if key == "url" else None
            self.assertIsNotNone(value, f"the reference does not explain {key} of {name}")
            is_list = value.startswith("[")
            values[key] = json.loads(value) if is_list else value == "true" or value.strip('"')
        return values

    def test_what_looks_like_a_number_stays_what_it_is(self):
        self.config("""
            config table 'rtsp'
                option user '1'
                option password '0123'
            config table 'http'
                option max_head '4096'
            config table 'hls'
                option record 'off'
                option sessions '1'
            config table 'tls'
                option record '4096'
            config table 'recording'
                option http '0'
            config record
                option streams '110'
                option path '/mnt'
                option size '1048576'
            config push
                option stream '1'
                option url 'rtsp://10.0.0.7/'
                option udp '1'
            """)
        wanted = {
            "rtsp": {"user": "1", "password": "0123"},
            "http": {"max_head": 4096},
            "hls": {"record": False, "sessions": True},
            "tls": {"record": 4096},
            "recording": {"http": False},
            "record": [{"streams": "110", "path": "/mnt", "size": 1048576}],
            "push": [{"stream": "1", "url": "rtsp://10.0.0.7/", "udp": True}],
        }
        self.assertEqual(self.toml(), wanted)

    def test_the_boards_two_files_say_the_same(self):
        board = places.BOARD / "openwrt-mt76x8"
        self.config((board / "runnel.config").read_text())
        self.assertEqual(self.toml(), tomllib.loads((board / "runnel.toml").read_text()))

    def test_a_change_reaches_the_running_process(self):
        self.config("config server server\n option profile tiny\n")
        self.run_inside(f"""
            mount -t tmpfs tmpfs /etc/config
            printf "config server server\\n option profile tiny\\n" >/etc/config/runnel
            printf "config table log\\n option target /tmp/logs/log\\n" >>/etc/config/runnel
            mkdir -m 777 /tmp/logs
            {RUN} start; healthy
            pid=$(cat /var/run/procd/pid)
            mv /tmp/logs/log /tmp/logs/old
            printf "config table viewers\\n option slow 9s\\n" >>/etc/config/runnel
            {RUN} reload; echo "reload $?"
            await test -e /tmp/logs/log && echo "a new log"
            alive "$pid"
            """)
        self.assert_says("healthy", "reload 0", "a new log", "alive")

    def test_a_mistake_stops_nothing_and_is_logged(self):
        self.run_inside(f"""
            mount -t tmpfs tmpfs /etc/config
            printf "config server server\\n option profile tiny\\n" >/etc/config/runnel
            {RUN} start; healthy
            pid=$(cat /var/run/procd/pid)
            before=$(sha256sum /var/etc/runnel.toml)
            printf "config server server\\n option profil tiny\\n" >/etc/config/runnel
            {RUN} reload 2>&1 | grep -c "runnel: .*profil"
            {RUN} reload 2>/dev/null; echo "reload $?"
            alive "$pid"
            healthy
            [ "$before" = "$(sha256sum /var/etc/runnel.toml)" ] && echo "unchanged"
            """)
        self.assert_says("healthy", "1", "reload 1", "alive", "healthy", "unchanged")

    def test_a_mistake_starts_nothing(self):
        self.config("config server server\n option profile huge\n")
        self.run_inside(f'{RUN} start 2>/dev/null; echo "start $?"; ls /var/run')
        self.assert_says("start 1")

    def test_disabling_stops_it(self):
        self.run_inside(f"""
            mount -t tmpfs tmpfs /etc/config
            printf "config server server\\n option profile tiny\\n" >/etc/config/runnel
            {RUN} start; healthy
            pid=$(cat /var/run/procd/pid)
            echo " option enabled 0" >>/etc/config/runnel
            {RUN} reload; echo "reload $?"
            gone() {{ [ "$(alive "$pid")" = "gone" ]; }}
            await gone && echo "stopped"
            """)
        self.assert_says("healthy", "reload 0", "stopped")
