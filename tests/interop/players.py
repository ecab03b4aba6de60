"""The programs that play: how each is started, and how to tell that it decodes."""

import os
import re
import shutil
import socket
import tempfile

import waiting

FRAME_RATE = 25
FRAMES_WANTED = 50
PLAYS_WITHIN = 25


def ffmpeg_decode(program, source, seconds):
    """Decodes everything and complains of all that is wrong with it."""
    return _ffmpeg_decode(program, ["-i", source], seconds)


def ffmpeg_decode_rtsp(program, url, seconds, transport=None):
    """The same over "tcp" or "udp", or what ffmpeg itself likes best."""
    # ffmpeg has no time for a first picture before B-frames, even from itself, guesses
    # the rate from that, and complains of times that it has rounded to it.
    fine = ["-enc_time_base:v", "1:90000", "-fps_mode", "passthrough"]
    how = ["-rtsp_transport", transport] if transport else []
    return _ffmpeg_decode(program, [*how, "-i", url, *fine], seconds)


def _ffmpeg_decode(program, source, seconds):
    return [
        *[program, "-nostdin", "-hide_banner", "-v", "error", *source],
        *["-t", str(seconds), "-progress", "pipe:1", "-f", "null", "-"],
    ]


def ffmpeg_faults(program, seconds, video=True):
    """Of an ended `ffmpeg_decode`: what it complained of, or that it found too little."""
    if program.exit_code != 0 or program.stderr:
        yield program.describe()
    # Not all: video may start after audio, and a publisher may have been away.
    wanted = 0.8 * seconds * (FRAME_RATE if video else 1_000_000)
    name = b"frame" if video else b"out_time_us"
    counts = re.findall(rb"^%s=(\d+)" % name, program.stdout, re.MULTILINE)
    decoded = int(counts[-1]) if counts else 0
    if decoded < wanted:
        yield f"{name.decode()} is {decoded}, not {wanted}: {program.describe()}"


def ffprobe_packets(program, url, seconds):
    return [
        *[program, "-v", "error", "-read_intervals", f"%+{seconds}", "-of", "json"],
        *["-show_entries", "stream=index,codec_type,codec_name,width,height"],
        *["-show_entries", "packet=stream_index,codec_type,pts_time,dts_time,flags"],
        url,
    ]


class Gstreamer:
    """A pipeline that decodes both tracks and tells of each decoded buffer.

    `source` is the part of the pipeline up to and with a demuxer named `demux`.
    """

    # The elements between the demuxer and the parsers.
    video = audio = "demux."

    def __init__(self, case, source):
        # A queue without bounds: one track of the stream may come well before the other.
        queue = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0"
        video = f"{self.video} ! {queue} ! h264parse ! avdec_h264 ! {_counting_sink('video')}"
        audio = f"{self.audio} ! {queue} ! aacparse ! avdec_aac ! {_counting_sink('audio')}"
        self._case, self._pipeline = case, f"{source} {video} {audio}".split()
        self._start()

    def _start(self):
        self.program = self._case.start("gstreamer", ["gst-launch-1.0", "-v", *self._pipeline])

    def until_decoded(self, frames=FRAMES_WANTED):
        waiting.until(
            lambda: min(self._decoded("video"), self._decoded("audio")) >= frames,
            PLAYS_WITHIN,
            lambda: (
                f"{frames} decoded of each: {self._decoded('video')} video, "
                f"{self._decoded('audio')} audio, {self.program.describe()}"
            ),
        )

    def _decoded(self, track):
        assert self.program.exit_code is None, self.program.describe()
        return self.program.stdout.count(b"chain   ******* (%s:sink)" % track.encode())


class GstreamerRtsp(Gstreamer):
    """The same from packets; the transport is "tcp" or "udp", and any certificate will do."""

    video = "demux. ! application/x-rtp,media=video ! rtph264depay"
    audio = "demux. ! application/x-rtp,media=audio ! rtpmp4gdepay"

    def __init__(self, case, url, transport):
        how = f"protocols={transport} tls-validation-flags=0"
        super().__init__(case, f"rtspsrc name=demux {how} location={url}")

    def until_decoded(self, frames=FRAMES_WANTED):
        """Once more where it receives packets and hands on none of them.

        Pads that come before it is ready for them stay without a link: that was seen
        once in some hundred starts, on a machine that had much else to do.
        """
        try:
            super().until_decoded(frames)
        except AssertionError:
            if self._decoded("video") or self._decoded("audio") or not self._receives():
                raise
            self.program.stop()
            self._start()
            super().until_decoded(frames)

    def _receives(self):
        return re.search(rb"packets-received\\=\\\(guint64\\\)[1-9]", self.program.stdout)


class GstreamerHls(Gstreamer):
    """The same by GStreamer's own player, which reads HLS by hlsdemux2."""

    def __init__(self, case, url):
        sinks = [f"{name}-sink={_counting_sink(name)}" for name in ("video", "audio")]
        command = ["gst-launch-1.0", "-v", "playbin3", f"uri={url}", *sinks]
        self.program = case.start("gstreamer", command)


def _counting_sink(name):
    return f"fakesink name={name} sync=false silent=false"


def gstreamer_sources(rtmp, flv, ts, hls):
    return [
        f"rtmp2src location={rtmp} ! flvdemux name=demux",
        f"souphttpsrc location={flv} ! flvdemux name=demux",
        f"souphttpsrc location={ts} ! tsdemux name=demux",
        f"souphttpsrc location={hls} ! hlsdemux ! tsdemux name=demux",
    ]


class Vlc:
    """VLC without a screen, asked over its remote control what it has decoded."""

    def __init__(self, case, url):
        self.home = tempfile.mkdtemp(prefix="runnel-vlc-")
        case.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        os.chmod(self.home, 0o777)
        self._control = os.path.join(self.home, "control")
        self.program = case.start(
            "vlc",
            [
                *_as_anyone(),
                *["cvlc", "-I", "oldrc", "--rc-fake-tty", "--rc-unix", self._control],
                *["--vout", "vdummy", "--aout", "adummy", "--no-video-title-show"],
                *["--avcodec-hw", "none", url],
            ],
            env={"HOME": self.home, "XDG_RUNTIME_DIR": self.home, "DBUS_SESSION_BUS_ADDRESS": "/"},
        )

    def until_decoded(self, frames=FRAMES_WANTED):
        """Waits for video frames, and for at least one block of audio."""
        waiting.until(
            lambda: self._decoded("video") >= frames and self._decoded("audio") > 0,
            PLAYS_WITHIN,
            lambda: f"{frames} frames: {self._statistics()}\n{self.program.describe()}",
        )

    def _decoded(self, track):
        count = re.search(rf"{track} decoded\s*:\s*(\d+)", self._statistics())
        return int(count.group(1)) if count else 0

    def _statistics(self):
        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(2)
                control.connect(self._control)
                control.sendall(b"stats\n")
                said = b""
                while b"returned" not in said:
                    received = control.recv(4096)
                    if not received:
                        break
                    said += received
                return said.decode(errors="replace")
        except OSError as error:
            return repr(error)


class Mpv:
    """mpv without a screen: it ends by itself when it has played for a while."""

    SECONDS = 3

    def __init__(self, case, url, transport):
        self._case = case
        self.program = case.start(
            "mpv",
            [
                *["mpv", "--no-config", "--no-terminal", "--msg-level=all=warn", "--vo=null"],
                *["--ao=null", "--hwdec=no", f"--rtsp-transport={transport}"],
                *[f"--length={self.SECONDS}", url],
            ],
        )

    def until_played(self):
        self._case.assertEqual(self.program.wait(PLAYS_WITHIN), 0, self.program.describe())


def _as_anyone():
    """VLC refuses to run as root; `nobody` will do."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def rtmpdump(url, path):
    """Writes an FLV file until it is stopped."""
    return ["rtmpdump", "--live", "-r", url, "-o", path]


def curl(url, path):
    """Writes what comes until it is stopped."""
    return ["curl", "-sS", "--no-buffer", "-o", path, url]
