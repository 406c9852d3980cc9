"""The `[http]` section: how the cloud providers are reached, one set of manners for all of them."""

from dataclasses import dataclass, field

from agent.settings import Secret, number, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    proxy: Secret = field(default=Secret(""))  # secret, for the login that may stand in its address
    ca_file: str = text("")  # empty: the system's authorities
    trust_env: bool = False  # whether HTTPS_PROXY and its kin count
    connect_s: float = number(3.0, 0.1, 60)
    write_s: float = number(15.0, 0.1, 300)
    read_s: float = number(15.0, 0.1, 300)
    pool_s: float = number(3.0, 0.1, 60)
    total_s: float = number(25.0, 0.1, 600)
    keepalive_s: float = number(5.0, 0, 60)
