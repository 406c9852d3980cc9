"""The fifty files of R30: what a person, an editor or a failing disk may make of a configuration, and what has to be said of each."""

from dataclasses import dataclass

_PLAIN = '[agent]\nsite = "north"\nstate_dir = "STATE"\n'


@dataclass(frozen=True, slots=True)
class Wrong:
    """A file, here with STATE for the folder of the store, and the line, key and words of the complaint; line 0 where none can be named."""

    content: bytes
    line: int
    words: str


def _wrong(text: str | bytes, line: int, words: str) -> Wrong:
    """The lines count from the end of three that are right."""
    raw = text.encode() if isinstance(text, str) else text
    return Wrong(_PLAIN.encode() + raw, line + 3, words)


WRONG: dict[str, Wrong] = {
    "an unknown key": _wrong("[mqtt]\nprot = 1883\n", 2, 'unknown key mqtt.prot; did you mean "port"?'),
    "an unknown section": _wrong("[mqqt]\nport = 1\n", 1, 'unknown key mqqt; did you mean "mqtt"?'),
    "an unknown key of a camera": _wrong("[[camera]]\nsorce = 'x'\n", 2, 'unknown key camera[0].sorce; did you mean "source"?'),
    "an unknown key of a second camera": _wrong(
        "[[camera]]\nname = 'a'\n[[camera]]\nname = 'b'\nfpss = 8\n", 5, 'unknown key camera[1].fpss; did you mean "fps"?'
    ),
    "an unknown key below a camera": _wrong(
        "[[camera]]\n[camera.stream]\nverfy = true\n", 3, 'camera[0].stream.verfy; did you mean "verify"?'
    ),
    "an unknown key of a provider": _wrong(
        "[provider.tencent]\nsecret = 'x'\n", 2, 'unknown key provider.tencent.secret; did you mean "secret_id"?'
    ),
    "a key in the wrong section": _wrong("[mqtt]\nsite = 'north'\n", 2, "unknown key mqtt.site"),
    "a key of two lines": _wrong('"a\\nb" = 1\n', 1, "unknown key agent.'a\\nb'"),
    "a text for a number": _wrong("[mqtt]\nport = '1883'\n", 2, "mqtt.port must be a number from 1 to 65535, not '1883'"),
    "a number for a text": _wrong("[mqtt]\nhost = 5\n", 2, "mqtt.host must be the name or address of the broker, not 5"),
    "a text for yes or no": _wrong("[mqtt]\ntls = 'yes'\n", 2, "mqtt.tls must be true or false, not 'yes'"),
    "yes for a number": _wrong("[mqtt]\nport = true\n", 2, "mqtt.port must be a number from 1 to 65535, not True"),
    "a fraction for a whole number": _wrong("[mqtt]\nport = 1883.5\n", 2, "mqtt.port must be a number from 1 to 65535, not 1883.5"),
    "a text for a list": _wrong("[reading]\nchain = 'embedded'\n", 2, "reading.chain must be a list of texts"),
    "a list for a text": _wrong("[mqtt]\nuser = ['a']\n", 2, "mqtt.user must be text without line breaks"),
    "a date for a number": _wrong("[health]\nevery_s = 2026-11-21\n", 2, "health.every_s must be a number from 1 to 86400"),
    "a number for a section": _wrong(
        "[health]\nevery_s = 60\n[store]\n[vision]\n[power]\n[alarm]\n[mqtt]\n[reading]\nchain = 5\n", 9, "reading.chain"
    ),
    "a section for a list of them": _wrong("[camera]\nname = 'a'\n", 1, "camera must be a section [[camera]] for each"),
    "a number out of range": _wrong("[mqtt]\nport = 70000\n", 2, "mqtt.port must be a number from 1 to 65535, not 70000"),
    "no number": _wrong("[vision]\ngap_s = nan\n", 2, "vision.gap_s must be a number from 0.1 to 60, not nan"),
    "a number without end": _wrong("[mqtt]\nport = " + "9" * 5000 + "\n", 2, "this is not TOML, at port: a number has too many digits"),
    "a word that is none of the choices": _wrong("[[camera]]\ndriver = 'picam'\n", 2, 'did you mean "picamera2"?'),
    "a name that is no name": _wrong("[[camera]]\ngate = 'Nord Tor'\n", 2, "camera[0].gate must be lower case letters"),
    "a name that leads elsewhere": _wrong("[[camera]]\nname = '../../x'\n", 2, "camera[0].name must be lower case letters"),
    "a prefix with a wildcard": _wrong("[mqtt]\nprefix = 'a/#'\n", 2, "mqtt.prefix must be topic levels without + and #"),
    "a host that is no host": _wrong("[mqtt]\nhost = 'a..b'\n", 2, "mqtt.host must be the name or address of the broker"),
    "half of a pair": _wrong("[mqtt]\ncert_file = 'x'\n", 1, "mqtt.key_file must be set together with its other half"),
    "a file that is not there": _wrong("[mqtt]\nca_file = '/nonexistent/ca'\n", 2, "mqtt.ca_file must be a file that exists"),
    "an unknown reader": _wrong("[reading]\nchain = ['tencant']\n", 2, 'did you mean "tencent"?'),
    "a missing key": _wrong("[reading]\nchain = ['tencent']\n[provider.tencent]\n", 3, "provider.tencent.secret_id must be a SecretId"),
    "two cameras of one name": _wrong(
        "[[camera]]\nname = 'a'\n[[camera]]\nname = 'a'\n", 4, "camera[1].name must be a name no other camera has"
    ),
    "a key twice": _wrong("[mqtt]\nport = 1\nport = 2\n", 3, "this is not TOML, at port: Cannot overwrite a value"),
    "a section twice": _wrong("[mqtt]\nport = 1\n[mqtt]\nhost = 'x'\n", 3, "this is not TOML: Cannot declare ('mqtt',) twice"),
    "a section that was not closed": _wrong("[mqtt\nport = 1\n", 1, "this is not TOML"),
    "a text that was not closed": _wrong('[mqtt]\nhost = "broker\nport = 1\n', 2, "this is not TOML, at host"),
    "a value that is missing": _wrong("[mqtt]\nhost =\n", 2, "this is not TOML, at host"),
    "a password without quotes": _wrong("[mqtt]\npassword = pa#ss\n", 2, "this is not TOML, at password"),
    "a password of another kind": _wrong(
        "[mqtt]\npassword = ['s3cret-word']\n", 2, "mqtt.password must be a text, not a value that is kept secret"
    ),
    "a list without a bottom": _wrong("[reading]\nchain = " + "[" * 3000 + "\n", 2, "this is not TOML, at chain: lists stand too deep"),
    "a byte-order mark": Wrong(b"\xef\xbb\xbf" + _PLAIN.encode(), 1, "begins with a byte-order mark"),
    "lines ended as on Windows": Wrong(_PLAIN.replace("\n", "\r\n").encode() + b"[mqtt]\r\nprot = 1\r\n", 5, 'did you mean "port"?'),
    "another encoding": _wrong("[mqtt]\nuser = 'Tür'\n".encode("latin-1"), 2, "cannot be read as UTF-8 text: byte 0xfc"),
    "two bytes for each character": Wrong(_PLAIN.encode("utf-16"), 1, "cannot be read as UTF-8 text"),
    "a block of zeros": Wrong(bytes(4096), 1, "this is not TOML"),
    "ten megabytes": Wrong(_PLAIN.encode() + b"# and more\n" * 1_000_000, 0, "has more than 1000 kB"),
}

# Passwords as people have them: each arrives as it stands in the file.
RIGHT = ("pa#ss", "quo'te\"s", "ünï¢ödé 密码", " blanks at both ends ", "100%{}$HOME`id`", "-dash", "back\\slash\\n", "\u202eright to left")
