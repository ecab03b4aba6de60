"""The one place that writes the server's configuration file."""


def write(path, listen, sections):
    """Writes `sections` ({"publish": {"silence": "2s"}}) as TOML.

    `listen` is where each listens, and may be nested ({"rtmp": {"listen": "[::]:1935"}});
    what the sections say goes before it. A list of sections is a list of tables. What is
    none of these stands above all of them.
    """
    above = {name: value for name, value in sections.items() if not isinstance(value, dict | list)}
    merged = {name: dict(keys) for name, keys in listen.items()}
    for name, keys in sections.items():
        if isinstance(keys, dict):
            merged.setdefault(name, {}).update(keys)
    tables = [_section(f"[{name}]", keys) for name, keys in merged.items()]
    for name, lists in sections.items():
        if isinstance(lists, list):
            tables += [_section(f"[[{name}]]", keys) for keys in lists]
    path.write_text(_lines(above) + "\n".join(tables))


def _section(head, keys):
    return f"{head}\n{_lines(keys)}"


def _lines(keys):
    return "".join(f"{key} = {_value(value)}\n" for key, value in keys.items())


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    return f'"{value}"'
