"""The part of the kms++ bindings that picamera2 looks at when it is imported; the windows it would draw are never opened."""


class PixelFormat:
    """Names of formats, each of them its own value."""

    RGB888 = "RGB888"
    BGR888 = "BGR888"
    XRGB8888 = "XRGB8888"
    XBGR8888 = "XBGR8888"
    YUV420 = "YUV420"
    YVU420 = "YVU420"
    NV12 = "NV12"
