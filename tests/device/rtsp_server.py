"""A camera that speaks RTSP, made of Debian's gst-rtsp-server: /usr/bin/python3 -m tests.device.rtsp_server --port 8554 --codec h265

Every frame carries the moment it was made (tests.device.stamp). Prints READY once it listens on 127.0.0.1; the stream is /gate.
"""

import argparse
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")

import numpy as np  # noqa: E402  # gi wants its versions first
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

from tests.device import stamp  # noqa: E402

ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} bitrate=2000 ! rtph264pay config-interval=1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} bitrate=2000 ! h265parse ! rtph265pay config-interval=1",
}


class Painter:
    """Feeds the source of every stream that somebody watches, `fps` times a second."""

    def __init__(self, width: int, height: int, fps: int) -> None:
        self.fps = fps
        self._picture = np.tile(np.linspace(40, 200, width).astype(np.uint8), (height, 1))
        self._count = 0

    def configure(self, _factory: object, media: "GstRtspServer.RTSPMedia") -> None:
        source = media.get_element().get_by_name_recurse_up("source")
        GLib.timeout_add(1000 // self.fps, self._push, source)

    def _push(self, source: "Gst.Element") -> bool:
        """One more frame; False, which ends the feeding, once nobody wants any."""
        self._count += 1
        picture = self._picture.copy()
        x = self._count * 8 % (picture.shape[1] - 80)
        picture[100:180, x : x + 80] = 230
        stamp.paint(picture, int(time.monotonic() * 1000))
        return bool(source.emit("push-buffer", Gst.Buffer.new_wrapped(picture.tobytes())) == Gst.FlowReturn.OK)


def login(words: str) -> "GstRtspServer.RTSPAuth":
    """Asks for `kind:user:password`; who gives it may do everything."""
    kind, user, password = words.split(":", 2)
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if kind == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    return auth


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--codec", choices=sorted(ENCODERS), default="h264")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--login", default="", metavar="basic|digest:USER:PASSWORD")
    options = parser.parse_args()
    Gst.init(None)
    painter = Painter(640, 360, options.fps)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    form = f"video/x-raw,format=GRAY8,width=640,height=360,framerate={options.fps}/1"
    encoder = ENCODERS[options.codec].format(fps=options.fps)
    factory.set_launch(
        f"( appsrc name=source is-live=true format=time do-timestamp=true caps={form} "
        f"! videoconvert ! video/x-raw,format=I420 ! {encoder} name=pay0 pt=96 )"
    )
    factory.connect("media-configure", painter.configure)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    if options.login:
        server.set_auth(login(options.login))
        rights = "viewer,media.factory.access=(boolean)true,media.factory.construct=(boolean)true"
        factory.add_role_from_structure(Gst.Structure.from_string(rights)[0])
    server.get_mount_points().add_factory("/gate", factory)
    if not server.attach(None):
        raise SystemExit(f"port {options.port} cannot be listened on")
    print("READY", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
