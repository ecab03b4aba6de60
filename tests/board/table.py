"""The figures of all machines, as a table for people and for docs/devices.md."""

COLUMNS = {
    "RAM": "memory",
    "first answer": "boot",
    "at rest": "idle",
    "2 Mbit/s to 16": "playing",
    "peak beyond the plan": "peak",
    "the plan": "plan",
}


def of(rows):
    """`rows` has the figures of each target; bytes, and seconds for "boot"."""
    head = ["target", *COLUMNS]
    lines = [head, ["---"] * len(head), *(_row(name, figures) for name, figures in rows.items())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(name, figures):
    return [name, *(_cell(key, figures) for key in COLUMNS.values())]


def _cell(key, figures):
    if key not in figures:
        return "-"
    if key == "boot":
        return f"{figures[key]:.1f} s"
    return f"{figures[key] / (1 << 20):.2f} MiB"
