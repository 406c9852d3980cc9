"""What a person needs to point an agent at the vendors here: a part of its configuration with the keys they have on file."""

from pathlib import Path

from tests.vendors.server import VendorServer

_TEMPLATE = """
# Paste into the agent's configuration; keys named *secret*, *key* and password may also come from the environment.
# Temporary Tencent keys: {a.tencent_temporary_id} / {a.tencent_temporary_key}, token {a.tencent_token}
[reading]
chain = ["tencent"]

[provider.tencent]
url = "{url}"
secret_id = "{a.tencent_id}"
secret_key = "{a.tencent_key}"

[provider.huawei]
url = "{url}"
iam_url = "{url}"
project_id = "{a.huawei_project_id}"
auth = "aksk"                      # or "token", with the three lines at the end
access_key = "{a.huawei_access_key}"
secret_key = "{a.huawei_secret_key}"
domain = "{a.huawei_account}"
user = "{a.huawei_user}"
password = "{a.huawei_password}"

[provider.tencent_legacy_vin]
url = "{url}"
appid = "{a.legacy_appid}"
secret_id = "{a.legacy_id}"
secret_key = "{a.legacy_key}"
bucket = "{a.legacy_bucket}"

[provider.baidu]
url = "{url}"
api_key = "{a.baidu_key}"
secret_key = "{a.baidu_secret}"

[provider.aliyun]
url = "{url}"
access_key_id = "{a.aliyun_id}"
access_key_secret = "{a.aliyun_key}"
"""


def snippet(server: VendorServer, ca_file: Path | None = None) -> str:
    """TOML with every key; with TLS also the file of the authority to trust."""
    trust = f'\n[http]\nca_file = "{ca_file}"\n' if ca_file else ""
    return _TEMPLATE.strip().format(url=server.url(), a=server.accounts) + "\n" + trust
