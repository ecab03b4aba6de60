"""OpenWrt's init script, under BusyBox, with the real program; rc.common is the test's own."""

import shutil
import tomllib

import inside
import places

RUN = "/etc/init.d/runnel"
# Defines what the script has, and does nothing.
READ = f"set -- {RUN} ''; . /etc/rc.common"


class OpenWrt(inside.Device):
    def setUp(self):
        super().setUp()
        self.service(places.OPENWRT / "files" / "runnel.init")
        shutil.copy(places.ROOT / "tests" / "package" / "rc.common", self.root / "etc/rc.common")
        self.config((places.OPENWRT / "files" / "runnel.config").read_text())

    def config(self, text):
        self.put("etc/config/runnel", text)

    def toml(self):
        return tomllib.loads("\n".join(self.run_inside(f"{READ}; toml")))

    def test_the_configuration_that_comes_with_it_serves(self):
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
