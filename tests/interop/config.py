"""The one place that writes the server's configuration file."""


def write(path, rtmp_port, http_port, sections):
    """Writes `sections` ({"publish": {"silence": "2s"}}) and the two ports as TOML."""
    merged = {
        "rtmp": {"listen": f"127.0.0.1:{rtmp_port}"},
        "http": {"listen": f"127.0.0.1:{http_port}"},
    }
    for name, keys in sections.items():
        merged.setdefault(name, {}).update(keys)
    path.write_text("\n".join(_section(name, keys) for name, keys in merged.items()))


def _section(name, keys):
    lines = [f"[{name}]"] + [f"{key} = {_value(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return f'"{value}"'
