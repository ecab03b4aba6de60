"""The commands of the programs that publish."""

import paths


def ffmpeg(program, media, url, loop):
    """Pushes a file as it is, in real time."""
    again = ["-stream_loop", "-1"] if loop else []
    return [
        *[program, "-nostdin", "-hide_banner", "-v", "warning", "-re", *again],
        *["-i", paths.media(media), "-c", "copy", "-f", "flv", url],
    ]


def gstreamer(sink, url):
    """Encodes H.264 and AAC itself; `sink` is rtmpsink or rtmp2sink."""
    # librtmp, inside rtmpsink, takes its options after the URL.
    location = f"{url} live=1" if sink == "rtmpsink" else url
    video = (
        "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 ! "
        "x264enc key-int-max=25 speed-preset=ultrafast tune=zerolatency bitrate=200 ! "
        "h264parse ! mux."
    )
    audio = (
        "audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=2 ! "
        "voaacenc bitrate=48000 ! aacparse ! mux."
    )
    return [
        # On a busy machine flvmux gives frames that are late the time of the last tag,
        # unless it may wait for them (nanoseconds).
        *"gst-launch-1.0 -q flvmux name=mux streamable=true latency=500000000 !".split(),
        *[sink, f"location={location}"],
        *video.split(),
        *audio.split(),
    ]
