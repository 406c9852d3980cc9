"""The device as it hangs on the pole: real camera stack, real systemd, real packages, in Debian trees of their own."""
