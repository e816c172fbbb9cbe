package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/swaggest/swgui/v5/static"
)

// The page at /docs is Swagger UI from the module's own files: it works without a network. Its script and style come from this
// server alone, which the policy says to the browser.
const docsPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>teiki API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`

const docsStart = `"use strict";
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
`

const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsFiles are the files of the page that come out of the module, and their types.
var docsFiles = map[string]string{
	"swagger-ui.css":       "text/css; charset=utf-8",
	"swagger-ui-bundle.js": "text/javascript; charset=utf-8",
	"favicon-32x32.png":    "image/png",
}

// docs is GET /docs.
func (a *api) docs(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", docsPolicy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = io.WriteString(w, docsPage)
	return nil
}

// docsFile is GET /docs/{file}. Files are kept compressed, and sent so to those who can read that.
func (a *api) docsFile(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	if name == "start.js" {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = io.WriteString(w, docsStart)
		return nil
	}
	media, ok := docsFiles[name]
	if !ok {
		return noRoute(r.URL.Path)
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "private, max-age=86400")
	w.Header().Set("Vary", "Accept-Encoding")
	if b, err := static.FS.ReadFile(name); err == nil {
		_, _ = w.Write(b)
		return nil
	}
	b, err := static.FS.ReadFile(name + ".gz")
	if err != nil {
		return err
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b)
		return nil
	}
	plain, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	_, _ = io.Copy(w, plain) // an error means that the client has gone
	return nil
}

// document is the OpenAPI document as it is served; it is made once, when somebody asks.
var document = sync.OnceValues(func() ([]byte, error) { return marshal(openapiDocument()) })

// openapi is GET /openapi.json.
func (a *api) openapi(w http.ResponseWriter, _ *http.Request) error {
	b, err := document()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
	return nil
}
