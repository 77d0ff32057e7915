"""The page that lists the operations of the admin API, made of its OpenAPI document; loads nothing from elsewhere."""

from collections.abc import Iterator, Mapping
from html import escape

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 3rem auto; padding: 0 1rem; }}
code {{ background: #8882; padding: .1em .3em; border-radius: .2em; }}
td {{ padding: .3rem 1rem .3rem 0; vertical-align: top; }}
</style>
<h1>{title} {version}</h1>
<p>Send <code>authorization: Bearer TOKEN</code>, or sign as on the S3 port (SigV4, service <code>s3</code>) with an
access key whose policy allows <code>admin:Read</code>, or <code>admin:Write</code> for what is not GET. The machine's
form of this page:
<a href="openapi.json">openapi.json</a>.</p>
<table>
{rows}
</table>
"""


def page_of(document: Mapping[str, Json]) -> str:
    """HTML for a person."""
    info = document["info"]
    assert isinstance(info, dict)
    rows = "\n".join(_rows(document))
    return _PAGE.format(title=escape(str(info["title"])), version=escape(str(info["version"])), rows=rows)


def _rows(document: Mapping[str, Json]) -> Iterator[str]:
    paths = document["paths"]
    assert isinstance(paths, dict)
    for path, methods in paths.items():
        assert isinstance(methods, dict)
        for method, operation in methods.items():
            assert isinstance(operation, dict)
            meaning = escape(str(operation.get("description", "")))
            yield f"<tr><td><code>{method.upper()} {escape(path)}</code></td><td>{meaning}</td></tr>"
