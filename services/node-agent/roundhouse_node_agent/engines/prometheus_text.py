"""Reading the Prometheus text format: only what normalising needs."""

__all__ = ["parse_metrics"]

_SHARES = ("_perc", "_usage", "_ratio", "_rate")


def parse_metrics(text: str) -> dict[str, float]:
    """Return each metric's value: summed over its labels, or of a share of something the largest.

    Lines that are no samples are skipped.
    """
    values: dict[str, float] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        head, _, rest = line.partition("}") if "{" in line else line.partition(" ")
        name = head.partition("{")[0].strip()
        try:
            value = float(rest.split()[0])
        except (IndexError, ValueError):
            continue
        before = values.get(name, 0.0)
        values[name] = max(before, value) if name.endswith(_SHARES) else before + value
    return values
