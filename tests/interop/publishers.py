"""The commands of the programs that publish."""

import paths

# Without a format the encoder gets another one after its first picture, and begins anew.
GSTREAMER_VIDEO = (
    "videotestsrc is-live=true ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 ! "
    "x264enc key-int-max=25 speed-preset=ultrafast tune=zerolatency bitrate=200 ! h264parse"
)
GSTREAMER_AUDIO = (
    "audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=2 ! "
    "voaacenc bitrate=48000 ! aacparse"
)
# libavcodec's encoder, which says behind its configuration that there is no SBR.
GSTREAMER_AVENC = (
    "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! "
    "avenc_aac bitrate=48000 ! aacparse"
)


def ffmpeg(program, media, url, loop):
    """Pushes a file as it is, in real time."""
    return [*_read_in_real_time(program, media, loop), "-f", "flv", url]


def ffmpeg_rtsp(program, media, url, loop, transport=None):
    """The same by RTSP; the transport is "tcp" or "udp", or ffmpeg's own choice."""
    how = ["-rtsp_transport", transport] if transport else []
    # AV1 by RTP is behind this word.
    return [*_read_in_real_time(program, media, loop), "-strict", "-2", "-f", "rtsp", *how, url]


def ffmpeg_again(program, source, url):
    """Plays by RTSP and publishes what it gets."""
    return [
        *[program, "-nostdin", "-hide_banner", "-v", "warning", "-rtsp_transport", "tcp"],
        *["-i", source, "-c", "copy", "-f", "flv", url],
    ]


def _read_in_real_time(program, media, loop):
    again = ["-stream_loop", "-1"] if loop else []
    return [
        *[program, "-nostdin", "-hide_banner", "-v", "warning", "-re", *again],
        *["-i", paths.media(media), "-c", "copy"],
    ]


def gstreamer(sink, url):
    """Encodes H.264 and AAC itself; `sink` is rtmpsink or rtmp2sink."""
    # librtmp, inside rtmpsink, takes its options after the URL.
    location = f"{url} live=1" if sink == "rtmpsink" else url
    return [
        # On a busy machine flvmux gives frames that are late the time of the last tag,
        # unless it may wait for them (nanoseconds).
        *"gst-launch-1.0 -q flvmux name=mux streamable=true latency=500000000 !".split(),
        *[sink, f"location={location}"],
        *f"{GSTREAMER_VIDEO} ! mux.".split(),
        *f"{GSTREAMER_AUDIO} ! mux.".split(),
    ]


def gstreamer_rtsp(url, transport, audio=GSTREAMER_AUDIO):
    """The same by RTSP; the transport is "tcp" or "udp", and any certificate will do."""
    return [
        *"gst-launch-1.0 -q rtspclientsink name=sink".split(),
        *[f"protocols={transport}", "tls-validation-flags=0", f"location={url}"],
        *f"{GSTREAMER_VIDEO} ! sink.".split(),
        *f"{audio} ! sink.".split(),
    ]
