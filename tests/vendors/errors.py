"""Every documented error of every vendor as data: what it is called, its HTTP status, its text, and whether it is charged."""

from dataclasses import dataclass

from tests.vendors import errors_huawei, errors_others, errors_tencent


@dataclass(frozen=True, slots=True)
class Code:
    """One way a vendor says no; `name` tells variants of one code apart (`APIG.0201/413`), `code` is what stands in the answer."""

    vendor: str
    name: str
    status: int
    message: str
    billed: bool = False

    @property
    def code(self) -> str:
        return self.name.partition("/")[0]


def _tencent(vendor: str, table: str) -> tuple[Code, ...]:
    lines = (line.partition("|") for line in table.strip().splitlines())
    return tuple(Code(vendor, name.strip(" +"), 200, text.strip(), name.startswith("+")) for name, _, text in lines)


def _with_status(vendor: str, table: str) -> tuple[Code, ...]:
    lines = (line.split("|", 2) for line in table.strip().splitlines())
    return tuple(Code(vendor, name.strip(), int(status), text.strip()) for name, status, text in lines)


CODES: tuple[Code, ...] = (
    *_tencent("tencent", errors_tencent.TABLE),
    *_with_status("huawei", errors_huawei.OCR + errors_huawei.gateway()),
    *_with_status("huawei-iam", errors_huawei.IAM),
    *_with_status("tencent-legacy", errors_others.LEGACY),
    *_with_status("baidu", errors_others.BAIDU),
    *_with_status("baidu-token", errors_others.BAIDU_TOKEN),
    *_with_status("aliyun", errors_others.ALIYUN),
)
_BY_NAME = {(code.vendor, code.name): code for code in CODES}
_BY_CODE = {(code.vendor, code.code): code for code in reversed(CODES)}


def codes(vendor: str) -> tuple[Code, ...]:
    return tuple(code for code in CODES if code.vendor == vendor)


def code(vendor: str, name: str) -> Code:
    """The code of that name, or the first variant of a code; raises `KeyError` where the vendor documents no such thing."""
    found = _BY_NAME.get((vendor, name)) or _BY_CODE.get((vendor, name))
    if found is None:
        raise KeyError(f"{vendor} documents no error {name}")
    return found
