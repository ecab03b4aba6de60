"""Each board's own configuration, and each profile, started by the init script on a device
with syslog: with the program for devices, with that of the preset small, and with one from source."""

import inside
import places

RUN = "/etc/init.d/runnel"
ALL_FEATURES = "features rtmp rtsp http record tls auth api notify"
SMALL_FEATURES = "features rtmp rtsp http, without record tls auth api notify"


class Start(inside.Device):
    features = ALL_FEATURES
    # of RTMP, RTSP, RTSP over WebSocket, HTTP, and the API
    ports = 5

    def start(self, conf, feeds=False):
        """Starts it, and says what a board's maker would look for."""
        self.service(places.BOARD / "init" / "runnel")
        self.put("etc/runnel.toml", conf.read_text())
        self.run_inside(f"""
            syslogd -O /tmp/messages
            await test -S /dev/log
            # takes what the real one takes, which resets the machine when that ends
            {"mkfifo /dev/watchdog; cat /dev/watchdog >/tmp/fed &" if feeds else ": >/tmp/fed"}
            runnel --check -c /etc/runnel.toml | sed 's/.*; //'
            {RUN} start
            healthy
            grep ^Uid "/proc/$(cat /var/run/runnel.pid)/status"
            {"await test -s /tmp/fed" if feeds else ""}
            {RUN} stop
            echo "watchdog: $(tail -c 1 /tmp/fed)"
            echo "syslog: $(grep -c "runnel.*listens" /tmp/messages) ports"
            """)

    def assert_ran(self, user=0, watchdog="", ports=0):
        self.assert_says(
            self.features,
            "Starting runnel: OK",
            "healthy",
            rf"Uid:\t{user}\t{user}\t{user}\t{user}",
            "Stopping runnel: OK",
            f"watchdog: {watchdog}",
            f"syslog: {ports} ports",
        )

    def test_buildroot(self):
        self.start(places.BUILDROOT / "package" / "runnel" / "runnel.toml")
        self.assert_ran(user=800, ports=self.ports)

    def test_raspberrypi_zero(self):
        self.start(places.BOARD / "raspberrypi-zero" / "runnel.toml", feeds=True)
        # V stops the real one, so that an orderly end resets nothing
        self.assert_ran(user=800, watchdog="V", ports=self.ports)

    def test_openipc(self):
        # its small log is told of warnings only
        self.start(places.BOARD / "openipc" / "runnel.toml")
        self.assert_ran(user=65534)

    def test_openwrt_mt76x8(self):
        self.start(places.BOARD / "openwrt-mt76x8" / "runnel.toml")
        self.assert_ran()

    def test_profiles(self):
        for name in ("tiny", "router", "box"):
            with self.subTest(profile=name):
                self.start(places.ROOT / "conf" / f"{name}.toml")
                self.assert_ran()

    def test_none_is_forgotten(self):
        tested = ["openipc", "openwrt-mt76x8", "raspberrypi-zero"]
        self.assertEqual(sorted(path.parent.name for path in places.BOARD.glob("*/runnel.toml")), tested)


class StartFromSource(Start):
    program = places.FULL


class StartSmall(Start):
    program = places.SMALL
    features = SMALL_FEATURES
    ports = 4


class Lacking(inside.Device):
    program = places.SMALL

    def test_what_the_preset_small_has_not_is_refused_by_name(self):
        asked = {
            '[tls]\ncert = "/c"\nkey = "/k"': ("tls.cert", "tls"),
            '[[pull]]\nstream = "a"\nurl = "rtsps://h/"': ("pull.url", "tls"),
            '[[push]]\nstream = "a"\nurl = "rtmps://h/a/b"': ("push.url", "tls"),
            '[[pull]]\nstream = "a"\nurl = "file:/m.flv"': ("pull.url", "record"),
            '[[record]]\nstreams = "*"\npath = "/m"': ("record", "record"),
            "[[access]]\nallow = true": ("access", "auth"),
            '[http]\nroot = "/m"': ("http.root", "record"),
            '[hls]\nstore = "/m"': ("hls.store", "record"),
        }
        for text, (key, feature) in asked.items():
            with self.subTest(text=text):
                self.put("etc/asked.toml", text)
                self.run_inside('runnel --check -c /etc/asked.toml; echo "code $?"')
                lacks = f'the program was built without the feature "{feature}"'
                # each key of a table is told
                self.assertRegex(self.said, rf"\A.* line \d: {key}: (must be .*: )?{lacks}\n(.*{lacks}\n)*code 78\n\Z")
        self.run_inside("runnel push a b; runnel --make-cert; runnel --hash; runnel import a")
        self.assert_says(*(f'runnel: the .* without the feature "{name}"' for name in ("record", "tls", "auth", "api")))
