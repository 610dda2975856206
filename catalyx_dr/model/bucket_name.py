"""Names of buckets as S3 accepts them, beyond the characters that they may have."""

from ipaddress import AddressValueError, IPv4Address

_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket_name(name: str) -> str:
    """Return `name` when S3 would make such a bucket; raise ValueError otherwise (S3 bucket naming rules)."""
    if ".." in name:
        raise ValueError(f"{name!r} is no bucket name: two dots stand together; write for example acme-backups")
    if ".-" in name or "-." in name:
        raise ValueError(
            f"{name!r} is no bucket name: between dots it begins or ends with '-'; write for example acme-backups"
        )
    if _is_address(name):
        raise ValueError(f"{name!r} is no bucket name: it reads as an IP address; write for example acme-backups")
    if name.startswith(_RESERVED_STARTS) or name.endswith(_RESERVED_ENDS):
        raise ValueError(f"{name!r} is no bucket name: S3 keeps its beginning or end for itself; choose another one")
    return name


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True
