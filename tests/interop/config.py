"""The one place that writes the server's configuration file."""


def write(path, ports, sections):
    """Writes `sections` ({"publish": {"silence": "2s"}}) and `ports` ({"rtmp": 1935}) as TOML.

    What is not a section stands above all of them.
    """
    above = {name: value for name, value in sections.items() if not isinstance(value, dict)}
    merged = {name: {"listen": f"127.0.0.1:{port}"} for name, port in ports.items()}
    for name in sections.keys() - above.keys():
        merged.setdefault(name, {}).update(sections[name])
    path.write_text(_lines(above) + "\n".join(_section(name, keys) for name, keys in merged.items()))


def _section(name, keys):
    return f"[{name}]\n{_lines(keys)}"


def _lines(keys):
    return "".join(f"{key} = {_value(value)}\n" for key, value in keys.items())


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return f'"{value}"'
