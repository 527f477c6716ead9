"""Reading the Prometheus text format: only what normalising needs."""

__all__ = ["parse_metrics"]


def parse_metrics(text: str) -> dict[str, float]:
    """Return each metric's value, summed over its labels. Lines that are no samples are skipped."""
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
        values[name] = values.get(name, 0.0) + value
    return values
