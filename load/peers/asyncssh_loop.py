"""The same work by asyncssh: one connection a host that is kept, its commands one after the other, all hosts at once.

What it is told spares it what costs CPU: keys and known hosts read once, no configuration, no agent, bytes and not text.
Its argument is JSON: addresses, port, user, identity, knownHosts, commands (for each host), fast.
"""

import asyncio
import json
import sys
import warnings

# Debian's asyncssh asks its cryptography for old ciphers, which says so at each start.
warnings.simplefilter("ignore")

import asyncssh  # noqa: E402

about = json.loads(sys.argv[1])
options = {
    "port": about["port"],
    "username": about["user"],
    "client_keys": [asyncssh.read_private_key(about["identity"])],
    "known_hosts": asyncssh.read_known_hosts(about["knownHosts"]),
    "config": None,
    "agent_path": None,
    "login_timeout": 120,
}
if about["fast"]:
    # ChaCha20, which it prefers, costs it twice as much as this. keylane prefers the same.
    options["encryption_algs"] = ["aes128-gcm@openssh.com"]
    options["kex_algs"] = ["curve25519-sha256"]


async def on_host(address):
    async with asyncssh.connect(address, **options) as connection:
        for _ in range(about["commands"]):
            done = await connection.run("true", stdin=asyncssh.DEVNULL, encoding=None)
            if done.exit_status != 0:
                raise RuntimeError(f"{address}: exit status {done.exit_status}")


async def main():
    await asyncio.gather(*(on_host(address) for address in about["addresses"]))


if about["fast"]:
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
asyncio.run(main())
