"""GraphiQL, the page on which a person tries queries; it needs no internet and no token to open.

The page and its start script are here; GraphiQL itself comes from the folder that `api.graphiql_assets` fills. Where
that is missing the page says in one line how to get it. The token is typed into the page's header editor and leaves
the browser only as the `Authorization` header of queries.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from api.graphiql_assets import FILES, default_folder, present

HOW = "GraphiQL's files are not here yet. Fetch them once from the npm registry with: python -m api.graphiql_assets"
"""The one line that the page shows where assets are missing; the folder is added where it is not the default one."""

_SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self'; worker-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ringfence</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/graphiql/graphiql.min.css">
<style>html, body, #graphiql { height: 100%; margin: 0; }</style>
</head>
<body>
<div id="graphiql">Loading …</div>
<script src="/graphiql/react.production.min.js"></script>
<script src="/graphiql/react-dom.production.min.js"></script>
<script src="/graphiql/graphiql.min.js"></script>
<script src="/graphiql/start.js"></script>
</body>
</html>
"""

_MISSING = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Ringfence</title><link rel="icon" href="data:,"></head>
<body><p>{how}</p></body>
</html>
"""

# The token is not kept by the browser (shouldPersistHeaders is off).
_START = """'use strict';
(function () {
  function fetcher(params, options) {
    return fetch('/graphql', {
      method: 'POST',
      headers: Object.assign({ 'content-type': 'application/json' }, (options && options.headers) || {}),
      body: JSON.stringify(params),
    }).then(function (response) { return response.json(); });
  }
  ReactDOM.createRoot(document.getElementById('graphiql')).render(React.createElement(GraphiQL, {
    fetcher: fetcher,
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
    defaultEditorToolsVisibility: 'headers',
    defaultHeaders: '{\\n  "Authorization": "Bearer TOKEN"\\n}',
    defaultQuery: '# ringfence token --role investigator --subject YOU\\n'
      + '# prints a token: put it in place of TOKEN below,\\n'
      + '# press the arrows on the left to fetch the schema, and run this.\\n'
      + '{\\n  accounts(first: 5) {\\n    edges { node { id status risk reasons } }\\n  }\\n}\\n',
  }));
}());
"""


class GraphiQL:
    """Serves the page and its assets from one folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder or default_folder()
        self._default = folder is None

    async def page(self, _request: Request) -> Response:
        """The page, or the line that says how to get its assets."""
        if present(self._folder):
            return HTMLResponse(_PAGE, headers=_SECURITY)
        # A page without a token names no folder of the server; whoever set another folder knows it.
        how = HOW if self._default else f"{HOW} FOLDER, with the folder that the server was given"
        return HTMLResponse(_MISSING.format(how=how), headers=_SECURITY, status_code=200)

    async def asset(self, request: Request) -> Response:
        """One of the known files; never another path."""
        name = request.path_params["name"]
        if name == "start.js":
            return Response(_START, media_type="text/javascript", headers=_SECURITY)
        if name not in FILES or not present(self._folder):
            return PlainTextResponse("no such file", status_code=404)
        return FileResponse(self._folder / name, headers={**_SECURITY, "cache-control": "max-age=3600"})
