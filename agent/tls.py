"""How the broker is verified, always, and how the agent shows its own certificate."""

import ssl

from agent import config
from agent.errors import NeedsOperator


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails; the client would leave it open for as long as someone holds the error."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def context(settings: config.Mqtt) -> ssl.SSLContext:
    """Verifies the broker by `ca_file` alone, else by the system's authorities; raises `NeedsOperator` for a file it cannot use."""
    try:
        made = ssl.create_default_context(cafile=settings.ca_file or None)
        # Python 3.13 alone would refuse the home-made authorities of yards for want of key identifiers; chain, dates and name are checked.
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT
        made.sslsocket_class = _Socket
        if settings.cert_file:
            # Without a password OpenSSL would ask for the one of an encrypted key at the terminal, and wait.
            made.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except OSError as exc:
        files = ", ".join(each for each in (settings.ca_file, settings.cert_file, settings.key_file) if each)
        raise NeedsOperator(f"TLS cannot use {files}: {exc.strerror or exc}; check that they are PEM files the agent may read") from exc
    return made
